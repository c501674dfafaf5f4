package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// A metric is one number of each account, or one for each direction.
type metric struct {
	name, help string
	values     func(measures) []float64 // one, or two: down and up; none if it is not known
}

// successMetric is the one that a run that failed leaves as it was.
const successMetric = "last_success_timestamp_seconds"

var metrics = []metric{
	{"last_run_timestamp_seconds", "When the last run ended.", func(m measures) []float64 { return []float64{seconds(m.ended)} }},
	{successMetric, "When a run of all mailboxes last ended with exit status 0; 0 if none is known.", func(m measures) []float64 { return []float64{seconds(m.success)} }},
	{"last_run_duration_seconds", "How long the last run took.", func(m measures) []float64 { return []float64{m.ended.Sub(m.began).Seconds()} }},
	{"last_run_exit_status", "Exit status of the last run.", func(m measures) []float64 { return []float64{float64(m.status)} }},
	{"last_run_messages", "Messages that the last run transferred.", func(m measures) []float64 { return perDirection(m.messages) }},
	{"last_run_bytes", "Size of the messages that the last run transferred.", func(m measures) []float64 { return perDirection(m.octets) }},
	{"quarantined", "Messages and mailboxes that could not be synced and are tried again.", func(m measures) []float64 {
		if m.quarantined < 0 {
			return nil
		}
		return []float64{float64(m.quarantined)}
	}},
	{"quota_used_bytes", "Octets received and sent today (UTC), where there is a limit.", func(m measures) []float64 {
		if m.quota == [2]int64{} {
			return nil
		}
		return perDirection(m.used)
	}},
	{"quota_bytes", "Octets that may be received and sent in a day, where there is a limit; 0 is none.", func(m measures) []float64 {
		if m.quota == [2]int64{} {
			return nil
		}
		return perDirection(m.quota)
	}},
}

func perDirection[T int | int64](values [2]T) []float64 {
	return []float64{float64(values[0]), float64(values[1])}
}

// seconds is a time as Prometheus has it; 0 is never.
func seconds(t time.Time) float64 {
	if t.IsZero() {
		return 0
	}
	return float64(t.UnixMilli()) / 1000
}

// samples are the lines of a file, by name of the metric.
type samples map[string][]string

// A sample is a line as we write it.
var sample = regexp.MustCompile(`^mailtwin_(\w+)\{account="((?:[^"\\]|\\[\\n"])*)"(?:,direction="\w+")?\} (-?[0-9.]+)$`)

// readSamples returns the numbers of other accounts in a file, as they stand there, and when this one last had success as far
// as the file knows. What is not ours is left out.
func readSamples(text, account string) (others samples, success time.Time) {
	others = samples{}
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		parts := sample.FindStringSubmatch(line)
		switch {
		case parts == nil:
		case parts[2] != labelText.Replace(account):
			others[parts[1]] = append(others[parts[1]], line)
		case parts[1] == successMetric:
			if at, err := strconv.ParseFloat(parts[3], 64); err == nil && at > 0 {
				success = time.UnixMilli(int64(at * 1000))
			}
		}
	}
	return others, success
}

// add adds the numbers of an account.
func (s samples) add(m measures) {
	for _, metric := range metrics {
		values := metric.values(m)
		for i, value := range values {
			labels := `account="` + labelText.Replace(m.account) + `"`
			if len(values) > 1 {
				labels += fmt.Sprintf(",direction=%q", [2]string{"download", "upload"}[i])
			}
			s[metric.name] = append(s[metric.name], fmt.Sprintf("mailtwin_%s{%s} %s", metric.name, labels, strconv.FormatFloat(value, 'f', -1, 64)))
		}
	}
}

// String writes the text format of Prometheus.
//
// Source: <https://prometheus.io/docs/instrumenting/exposition_formats/>.
func (s samples) String() string {
	var b strings.Builder
	for _, metric := range metrics {
		lines := s[metric.name]
		if len(lines) == 0 {
			continue
		}
		fmt.Fprintf(&b, "# HELP mailtwin_%s %s\n# TYPE mailtwin_%[1]s gauge\n", metric.name, metric.help)
		slices.Sort(lines) // so that the same accounts always come in the same order
		for _, line := range slices.Compact(lines) {
			b.WriteString(line + "\n")
		}
	}
	return b.String()
}

var labelText = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)

// writeMetrics puts the numbers of an account into a file, in place of those that it had there, and leaves those of the
// others. Runs that end at the same time do so one after the other. An error has the context's cause if it ended the wait.
func writeMetrics(ctx context.Context, path string, m measures) (err error) {
	if path, err = metricsFile(path); err != nil {
		return err
	}
	unlock, err := lockDirectory(ctx, filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, unlock()) }()
	text, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	all, success := readSamples(string(text), m.account)
	if success.After(m.success) && !success.After(m.ended) { // the history forgets it in time, and a new state has none
		m.success = success
	}
	all.add(m)
	return replaceFile(path, all.String())
}

// metricsFile is the file itself, if its name is that of a symbolic link, which is to stay one. What is no regular file is
// refused: to read a pipe or a device may take for ever, and to replace it is hardly meant.
func metricsFile(path string) (string, error) {
	info, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return path, nil // it is made
	}
	if err == nil && info.Mode().Type() == fs.ModeSymlink {
		if path, err = filepath.EvalSymlinks(path); err == nil {
			info, err = os.Lstat(path)
		}
	}
	if err == nil && !info.Mode().IsRegular() {
		err = fmt.Errorf("%s is not a regular file", path)
	}
	return path, err
}

// lockPause is how long to wait before a lock is tried again.
const lockPause = 10 * time.Millisecond

// lockDirectory waits for the lock of a directory, which leaves no file behind in it.
func lockDirectory(ctx context.Context, path string) (unlock func() error, err error) {
	dir, err := os.OpenFile(path, os.O_RDONLY|unix.O_DIRECTORY, 0) // a pipe in its place would wait for a writer
	if err != nil {
		return nil, err
	}
	for {
		err = unix.Flock(int(dir.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) && !errors.Is(err, unix.EINTR) {
			break
		}
		select {
		case <-time.After(lockPause):
			continue
		case <-ctx.Done():
			err = context.Cause(ctx)
		}
		break
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), dir.Close())
	}
	return dir.Close, nil // which gives the lock back
}

// replaceFile replaces a file in one step, so that nobody reads half of it. Everybody may read it: node_exporter runs as
// somebody else.
func replaceFile(path, text string) error {
	f, err := os.CreateTemp(filepath.Dir(path), ".mailtwin-*.tmp") // which node_exporter does not read
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(f.Name()))
	}
	return nil
}
