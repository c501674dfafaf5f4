package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"mailtwin/mailbox"
	"mailtwin/maildir"
	"mailtwin/syncer"
)

// A source is a Maildir to take mail from.
type source struct {
	root   string
	layout maildir.Layout
	among  map[mailbox.Place]bool // only these; nil is all
}

// sources are the Maildirs that mail is to be taken from. One that others made may be laid out in both ways at once.
func (r *restoration) sources(ctx context.Context) ([]source, error) {
	if r.o.from != "" {
		path, err := filepath.Abs(r.env.expand(r.o.from))
		return []source{{root: path, layout: maildir.PlusPlus}, {root: path, layout: maildir.Nested}}, err
	}
	own := source{root: r.account.Maildir, layout: maildir.Layout(r.account.Layout)}
	if r.selection.vanished.IsZero() {
		return []source{own}, nil
	}
	var err error
	if own.among, err = r.kept(ctx); err != nil {
		return nil, err
	}
	days, err := os.ReadDir(r.account.attic())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	sources := []source{own}
	for _, d := range days {
		day, err := time.ParseInLocation(time.DateOnly, d.Name(), time.Local)
		if err == nil && d.IsDir() && !day.Before(r.selection.vanished) {
			sources = append(sources, source{root: filepath.Join(r.account.attic(), d.Name())})
		}
	}
	return sources, nil
}

var errNeverKept = errors.New("the account was never synced or backed up here, so that nobody knows what vanished; leave out --vanished-since")

// kept are the files of the account's Maildir that vanished on the server since the day that was named.
func (r *restoration) kept(ctx context.Context) (among map[mailbox.Place]bool, err error) {
	if r.ledger == nil {
		return nil, errNeverKept
	}
	twins, err := r.ledger.Mailboxes(ctx)
	if err != nil {
		return nil, err
	}
	among = map[mailbox.Place]bool{}
	for _, t := range twins {
		for pair, err := range r.ledger.Pairs(ctx, t.Name) {
			if err != nil {
				return nil, err
			}
			if pair.Parked == mailbox.Left && !pair.Since.Before(r.selection.vanished) {
				among[mailbox.Place{Mailbox: t.Name, ID: pair.Near}] = true
			}
		}
	}
	return among, nil
}

// look returns the sources that have a mailbox that was asked for. It is an error, before the server is asked, if there are
// none.
func (r *restoration) look(ctx context.Context, sources []source) (wanted []source, err error) {
	patterns := mailbox.Patterns(r.o.mailboxes)
	listed := map[string]bool{} // by identity
	for _, s := range sources {
		infos, err := s.list(ctx)
		if err != nil {
			return nil, r.noSource(err)
		}
		for _, info := range infos {
			listed[info.Identity] = true
		}
		r.infos = append(r.infos, infos...)
		if slices.ContainsFunc(infos, func(i mailbox.Info) bool { return !i.NoSelect && patterns.Match(i.Name) }) {
			wanted = append(wanted, s)
		}
	}
	if err := r.lookElsewhere(sources[0].root, listed); err != nil {
		return nil, err
	}
	if wanted == nil {
		return nil, &usageError{errors.New("no mailbox of the Maildir has such a name; see --mailbox")}
	}
	return wanted, nil
}

// lookElsewhere finds out which mailboxes below a root are not listed, because of where they lie.
func (r *restoration) lookElsewhere(root string, listed map[string]bool) error {
	unseen, err := unlisted(root, listed)
	switch {
	case err != nil:
		return err
	case len(r.infos) == 0 && len(unseen) > 0:
		return &usageError{fmt.Errorf("no mailbox lies where this layout has them, but there are %s; see layout in the configuration", few(unseen))}
	case len(r.infos) == 0:
		return &usageError{fmt.Errorf("there is no mail in %s: no directory of it is a mailbox, with cur and new in it", show(root))}
	case len(unseen) == 0:
	case r.o.from == "": // a sync leaves them alone, too
		r.teller.warn(fmt.Errorf("not looked at, because no mailbox lies there in this layout: %s", few(unseen)))
	default:
		r.unseen = fmt.Errorf("not looked at, because no layout has a mailbox there: %s; name such a one with --from", few(unseen))
	}
	return nil
}

// list lists the mailboxes of a source.
func (s source) list(ctx context.Context) (infos []mailbox.Info, err error) {
	tree, err := maildir.Open(maildir.Options{Root: s.root, Layout: s.layout})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, tree.Close()) }()
	return tree.Mailboxes(ctx)
}

// noSource says why a Maildir cannot be looked at.
func (r *restoration) noSource(err error) error {
	switch {
	case !errors.Is(err, fs.ErrNotExist):
		return err
	case r.o.from != "":
		return &usageError{fmt.Errorf("--from: %w", err)}
	case r.ledger == nil: // no mail was ever there, as far as is known
		return &usageError{err}
	}
	return &lostSource{&syncer.BrakeError{Side: syncer.Far, Err: err}}
}

// A lostSource is an account's Maildir that was there, and is to be read.
type lostSource struct{ error }

func (e *lostSource) Unwrap() error { return e.error }

func (*lostSource) hint(account string) string {
	return "is the disk mounted, and is maildir the right folder? Nothing was changed. If the mail lies elsewhere now: mailtwin restore --from DIRECTORY " + account
}

// unlisted are the directories below a root that have mail and are none of the mailboxes that are listed.
func unlisted(root string, listed map[string]bool) (paths []string, err error) {
	if root, err = filepath.EvalSymlinks(root); err != nil {
		return nil, err
	}
	err = filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		switch {
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
			return nil // gone since, or nobody's mail
		case err != nil || !e.IsDir():
			return err
		case slices.Contains([]string{"cur", "new", "tmp"}, e.Name()) && path != root:
			return filepath.SkipDir
		}
		for _, part := range []string{"cur", "new"} {
			if info, err := os.Lstat(filepath.Join(path, part)); err != nil || !info.IsDir() {
				return nil //nolint:nilerr // no Maildir
			}
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		if st, ok := info.Sys().(*syscall.Stat_t); ok && !listed[fmt.Sprintf("%d:%d", st.Dev, st.Ino)] {
			paths = append(paths, path)
		}
		return nil
	})
	return paths, err
}

// few names some of many directories.
func few(paths []string) string {
	var words []string
	for _, path := range paths[:min(len(paths), shownAlike)] {
		words = append(words, show(path))
	}
	if n := len(paths) - len(words); n > 0 {
		words = append(words, fmt.Sprintf("and %d more", n))
	}
	return strings.Join(words, ", ")
}
