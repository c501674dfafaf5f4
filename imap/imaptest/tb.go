package imaptest

import (
	"os"
	"path/filepath"
)

// A TB is what this package needs of testing.TB. It is written out so that a program that uses the in-process server
// does not link the testing package.
type TB interface {
	Helper()
	Cleanup(func())
	Failed() bool
	Logf(format string, args ...any)
	Fatalf(format string, args ...any)
	Skipf(format string, args ...any)
}

// Missing ends a test that needs something that this machine lacks: it is skipped on a developer's machine, and fails
// where the environment variable CI is set, for there everything was to be installed.
func Missing(t TB, what string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing, and in CI that is a failure: ./scripts/test installs it", what)
	}
	t.Skipf("NOT TESTED: %s is missing; ./scripts/test installs it", what)
}

// testCache is where scripts/test puts what it cannot install.
func testCache() string {
	cache := os.Getenv("XDG_CACHE_HOME")
	if cache == "" {
		cache = filepath.Join(os.Getenv("HOME"), ".cache")
	}
	return filepath.Join(cache, "mailtwin-test")
}
