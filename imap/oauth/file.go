package oauth

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"

	"mailtwin/mailbox"
)

// A File keeps a grant in a file that is its owner's alone (S16).
type File struct{ Path string }

const mostOctets = 64 << 10

// Load reads the file. One that others can read is refused: the secret in it is none any more.
func (f File) Load(context.Context) (g *Grant, err error) {
	file, err := os.Open(f.Path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, ErrNone
	}
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	if mode := info.Mode().Perm(); mode&0o077 != 0 {
		return nil, refusal(fmt.Sprintf("%s can be read by others (mode %04o); chmod 600 it, and give consent anew if somebody may have read it",
			f.Path, mode))
	}
	text, err := io.ReadAll(io.LimitReader(file, mostOctets))
	if err != nil {
		return nil, err
	}
	g, err = Parse(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Path, err)
	}
	return g, nil
}

// Save writes another file and puts it in the place of the old one.
func (f File) Save(_ context.Context, g *Grant) error {
	dir := filepath.Dir(f.Path)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return err
	}
	text, err := g.Text()
	if err != nil {
		return err
	}
	file, err := os.CreateTemp(dir, ".token-") // 0600
	if err != nil {
		return err
	}
	_, err = file.Write(append(text, '\n'))
	err = errors.Join(err, file.Sync(), file.Close())
	if err == nil {
		err = os.Rename(file.Name(), f.Path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return syncDir(dir)
}

func syncDir(dir string) (err error) {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Remove removes the file, if there is one.
func (f File) Remove() error {
	if err := os.Remove(f.Path); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// Text is the grant as it is kept; Parse reads it.
func (g *Grant) Text() ([]byte, error) { return json.Marshal(g) }

// Parse reads what Text wrote. Its errors show nothing of it.
func Parse(text []byte) (*Grant, error) {
	g := &Grant{}
	if err := json.Unmarshal(text, g); err != nil || g.Refresh == "" {
		return nil, refusal("what is kept for this account is no token of ours")
	}
	return g, nil
}

const (
	lockTime = time.Minute // the other one asks the provider, which may be slow
	lockLook = 50 * time.Millisecond
)

// Lock takes the lock of a path, and waits for whoever has it.
func Lock(ctx context.Context, path string) (unlock func() error, err error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, lockTime)
	defer cancel()
	look := time.NewTicker(lockLook)
	defer look.Stop()
	for {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if err == nil {
			return f.Close, nil // which gives the lock back
		}
		if !errors.Is(err, unix.EWOULDBLOCK) {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", path, err), f.Close())
		}
		select {
		case <-ctx.Done():
			return nil, errors.Join(fmt.Errorf("%w: another run is asking for a token", mailbox.ErrTemporary), f.Close())
		case <-look.C:
		}
	}
}
