package oauth

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"mailtwin/mailbox"
)

func TestS16FileIsItsOwnersAlone(t *testing.T) {
	f := File{filepath.Join(t.TempDir(), "new", "token")}
	if _, err := f.Load(t.Context()); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
	made := time.Now().UTC().Truncate(time.Second)
	for _, refresh := range []string{"one", "two"} {
		if err := f.Save(t.Context(), &Grant{Refresh: refresh, ClientID: "me", Made: made}); err != nil {
			t.Fatal(err)
		}
		if g, err := f.Load(t.Context()); err != nil || *g != (Grant{Refresh: refresh, ClientID: "me", Made: made}) {
			t.Errorf("%+v, %v", g, err)
		}
	}
	for path, mode := range map[string]os.FileMode{f.Path: 0o600, filepath.Dir(f.Path): os.ModeDir | 0o700} {
		if info, err := os.Stat(path); err != nil || info.Mode() != mode {
			t.Errorf("%s: %v, %v", path, info.Mode(), err)
		}
	}
	if err := os.Chmod(f.Path, 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Load(t.Context()); !errors.Is(err, mailbox.ErrAuth) || errors.Is(err, ErrNone) {
		t.Errorf("others can read it: %v", err)
	}
	if left, err := filepath.Glob(filepath.Join(filepath.Dir(f.Path), ".token-*")); len(left) > 0 || err != nil {
		t.Error(left, err)
	}
}

func TestDamagedFile(t *testing.T) {
	for _, text := range []string{"", "{", "[]", `{"refresh_token":""}`, "\x00"} {
		f := File{filepath.Join(t.TempDir(), "token")}
		if err := os.WriteFile(f.Path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if g, err := f.Load(t.Context()); !errors.Is(err, mailbox.ErrAuth) {
			t.Errorf("%q: %v, %v", text, g, err)
		}
	}
}

func TestLockWaits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	unlock, err := Lock(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 2*lockLook)
	defer cancel()
	if _, err := Lock(ctx, path); !errors.Is(err, mailbox.ErrTemporary) {
		t.Error(err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
	if unlock, err = Lock(t.Context(), path); err != nil {
		t.Fatal(err)
	}
	if err := unlock(); err != nil {
		t.Error(err)
	}
}
