package maildir

import (
	"os"
	"path/filepath"
	"testing"
)

func TestProbe(t *testing.T) {
	dir := t.TempDir()
	if problems, err := Probe(filepath.Join(dir, "a", "b")); err != nil || len(problems) > 0 {
		t.Errorf("%q, %v", problems, err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("it left %v, %v", left, err)
	}
	if problems, err := Probe("/proc/none/Mail"); err == nil {
		t.Errorf("%q, and nothing can be made there", problems)
	}
	// A file in the way of a name stands for a file system that refuses it, or takes it for another.
	for _, name := range []string{"colon:2,S", "CASE"} {
		at := t.TempDir()
		if err := os.WriteFile(filepath.Join(at, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if problems, err := probe(at); err != nil || len(problems) != 1 {
			t.Errorf("%s: %q, %v", name, problems, err)
		}
	}
}
