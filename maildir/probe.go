package maildir

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// Probe tries whether a Maildir can lie at path, which need not exist: it makes files in the nearest directory above that
// does, and removes them. The problems are sentences for people; an error means that nothing can be made there at all.
func Probe(path string) (problems []string, err error) {
	near := path
	for {
		if info, err := os.Stat(near); err == nil && info.IsDir() {
			break
		}
		above := filepath.Dir(near)
		if above == near {
			return nil, fmt.Errorf("there is no directory above %s", path)
		}
		near = above
	}
	dir, err := os.MkdirTemp(near, ".mailtwin-probe-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	return probe(dir)
}

// probe tries names as mail has them.
func probe(dir string) (problems []string, err error) {
	try := func(name, problem string) error {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, fileMode) //nolint:gosec // ours
		if err == nil {
			return f.Close()
		}
		problems = append(problems, problem)
		return nil
	}
	err = errors.Join(
		try("colon:2,S", "the file system allows no colon in names, in which a Maildir keeps its flags; the mail must lie on another one"),
		try(strings.Repeat("n", maxName), "the file system allows no long names, so that mail with long names cannot lie there"),
		try("case", "no file can be made there"), try("CASE", "the file system ignores case: two mailboxes whose names differ only in case get different directories"),
	)
	return problems, err
}
