package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"mailtwin/mailbox"
	"mailtwin/maildir"
	"mailtwin/syncer"
)

// A changedError says that a state was made for another account or another Maildir than the configuration names. What
// the state knows would then look removed, on one side or the other.
type changedError struct{ state, key, was, is string }

func (e *changedError) Error() string {
	return fmt.Sprintf("%s was %q when the state was made, and is %q now", e.key, e.was, e.is)
}

func (e *changedError) hint() string {
	return fmt.Sprintf("nothing was changed. Is this other mail? Then set a state of its own. If it is the same mail in another "+
		"place, move %s away, and the next sync pairs it anew", show(e.state))
}

// settings are what a state is made for.
func (a *account) settings() map[string]string {
	layout := a.Layout
	if layout == "" {
		layout = string(maildir.Nested)
	}
	return map[string]string{
		"host": strings.ToLower(a.Host), "user": a.User, "maildir": filepath.Clean(a.Maildir), settingLayout: layout,
	}
}

// settingLayout is missing in a state of the first version, which knew only one layout.
const settingLayout = "layout"

// sameSettings makes sure that the state was made for this account, and remembers the account in a new one. A state that
// knows no message yet is as good as new: its settings may have been a slip. Of a Maildir in another place only its
// marker can tell: moved is then the error to be returned if that is not the right one.
func (r *accountRun) sameSettings() (moved *changedError, err error) {
	was, err := r.ledger.Settings()
	if err != nil {
		return nil, err
	}
	is := r.account.settings()
	if was["host"] != "" && was[settingLayout] == "" {
		was[settingLayout] = string(maildir.Nested)
	}
	fresh := false
	for _, key := range []string{"host", "user", settingLayout, "maildir"} {
		changed := &changedError{state: r.account.State, key: key, was: was[key], is: is[key]}
		switch {
		case was[key] == is[key]:
		case was[key] == "" || r.known == 0 || r.o.allowDelete:
			fresh = true
		case key == "maildir":
			return changed, nil
		default:
			return nil, changed
		}
	}
	if !fresh || r.o.dryRun {
		return nil, nil
	}
	return nil, r.ledger.PutSettings(is)
}

// openSame opens the Maildir. One that was moved as a whole, marker and all, is as good as one that was not.
func (r *accountRun) openSame(ctx context.Context, first bool) (*maildir.Tree, error) {
	moved, err := r.sameSettings()
	if err != nil {
		return nil, err
	}
	near, err := r.openNear(first)
	switch {
	case err != nil && moved != nil:
		return nil, moved
	case err != nil:
		return nil, err
	case moved != nil:
		err = r.followed(near, moved)
	}
	if err == nil {
		err = r.sameTree(ctx, near)
	}
	if err != nil {
		return nil, errors.Join(err, near.Close())
	}
	return near, nil
}

func (r *accountRun) followed(near *maildir.Tree, moved *changedError) error {
	marker, err := near.Marker()
	switch {
	case err != nil:
		return err
	case marker != r.ledger.ID():
		return moved
	case r.o.dryRun:
		return nil
	}
	return r.ledger.PutSettings(r.account.settings())
}

// A foreignError says that the Maildir is not the tree that the state was made with (R25).
type foreignError struct{ state, maildir, marker string }

func (e *foreignError) Error() string {
	if e.marker == "" {
		return fmt.Sprintf("%s is not the Maildir that the state was made with: its file .mailtwin is missing", e.maildir)
	}
	return fmt.Sprintf("%s is not the Maildir that the state was made with: its file .mailtwin is that of another state", e.maildir)
}

func (e *foreignError) hint() string {
	return fmt.Sprintf("nothing was changed. Is the right disk mounted, and is maildir the right folder? If it holds the mail of this "+
		"account, restored or copied, move %s away, and the next sync pairs it anew", show(e.state))
}

// settingMarked is there once the Maildir has a marker. A state of the first version has none.
const settingMarked = "marked"

// sameTree makes sure that the Maildir is the one that the state knows, and marks a new one.
func (r *accountRun) sameTree(ctx context.Context, near *maildir.Tree) error {
	marker, err := near.Marker()
	if err != nil || marker == r.ledger.ID() {
		return err
	}
	settings, err := r.ledger.Settings()
	if err != nil {
		return err
	}
	if settings[settingMarked] != "" && r.known > 0 && !r.o.allowDelete {
		if marker == "" && isEmpty(ctx, near) {
			return &syncer.BrakeError{Side: syncer.Near, Lost: r.known}
		}
		return &foreignError{state: r.account.State, maildir: r.account.Maildir, marker: marker}
	}
	if r.o.dryRun {
		return nil
	}
	if err := near.Mark(r.ledger.ID()); err != nil {
		return err
	}
	return r.ledger.PutSettings(map[string]string{settingMarked: "yes"})
}

// isEmpty tells whether a Maildir surely has no mailbox.
func isEmpty(ctx context.Context, near *maildir.Tree) bool {
	infos, err := near.Mailboxes(ctx)
	return err == nil && len(infos) == 0
}

// settingMailboxes remembers which mailboxes the configuration chose.
const settingMailboxes = "mailboxes"

// narrowed tells, once, which mailboxes the configuration chose before and does not choose any more (R26).
func (r *accountRun) narrowed(twins []mailbox.Twin) error {
	settings, err := r.ledger.Settings()
	if err != nil {
		return err
	}
	is, err := json.Marshal(r.account.Mailboxes)
	if err != nil || settings[settingMailboxes] == string(is) {
		return err
	}
	var was mailbox.Patterns
	if text := settings[settingMailboxes]; text != "" {
		if err := json.Unmarshal([]byte(text), &was); err != nil {
			return fmt.Errorf("mailboxes of the last run: %w", err)
		}
	}
	var left []string
	for _, t := range twins {
		if was.Match(t.Name) && !mailbox.Patterns(r.account.Mailboxes).Match(t.Name) {
			left = append(left, fmt.Sprintf("%q", string(t.Name)))
		}
	}
	if len(left) > 0 {
		r.teller.warn(fmt.Errorf("mailboxes leaves out what was synced before; it stays as it is on both sides: %s", strings.Join(left, ", ")))
	}
	if r.o.dryRun {
		return nil
	}
	return r.ledger.PutSettings(map[string]string{settingMailboxes: string(is)})
}
