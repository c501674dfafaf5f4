package imaptest

import (
	"bytes"
	"os"
	"path/filepath"
)

// Captures is where answers of real servers lie, beside the checkout. They are not part of it: a test that needs them is
// skipped without them, and fails where the environment variable CI is set. MAILTWIN_CAPTURES names another place.
func Captures(t TB) string {
	t.Helper()
	dir := os.Getenv("MAILTWIN_CAPTURES")
	if dir == "" {
		root, err := os.Getwd()
		if err != nil {
			t.Fatalf("%v", err)
		}
		for !isModule(root) && root != filepath.Dir(root) {
			root = filepath.Dir(root)
		}
		dir = filepath.Join(root, "..", "shared", "captures")
	}
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the captures are missing: %v", err)
		}
		t.Skipf("SKIPPED: the captures of real servers are missing: %v", err)
	}
	return dir
}

func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

// Capture reads one of them. Some are stored with Unix line ends, which their literals do not count.
func Capture(t TB, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("%v", err)
	}
	if !bytes.Contains(content, []byte("\r")) {
		content = bytes.ReplaceAll(content, []byte("\n"), []byte("\r\n"))
	}
	return content
}
