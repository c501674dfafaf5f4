package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"mailtwin/imap"
	"mailtwin/mailbox"
	"mailtwin/maildir"
	"mailtwin/state"
	"mailtwin/syncer"
)

// A changedError says that a state was made for another account or another Maildir than the configuration names. What
// the state knows would then look removed, on one side or the other.
type changedError struct{ state, key, was, is string }

func (e *changedError) Error() string {
	return fmt.Sprintf("%s was %q when the state was made, and is %q now", e.key, e.was, e.is)
}

func (e *changedError) hint(string) string {
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

// sameSettings makes sure that the state was made for this account. changed means that it was not, but that the state is
// as good as new, for it knows no message yet: its settings may have been a slip. Of a Maildir in another place only its
// marker can tell: moved is then the error to be returned if that is not the right one.
func (r *accountRun) sameSettings() (changed bool, moved, err error) {
	was, err := r.ledger.Settings()
	if err != nil {
		return false, nil, err
	}
	is := r.account.settings()
	if was["host"] != "" && was[settingLayout] == "" {
		was[settingLayout] = string(maildir.Nested)
	}
	for _, key := range []string{"host", "user", settingLayout, "maildir"} {
		wrong := &changedError{state: r.account.State, key: key, was: was[key], is: is[key]}
		switch {
		case was[key] == is[key]:
		case was[key] == "" || r.known == 0:
			changed = true
		case key == "maildir":
			moved = wrong
		default:
			return false, nil, wrong
		}
	}
	return changed, moved, nil
}

// openSame opens the Maildir, if it is the one that the state was made with. One that was moved as a whole, marker and
// all, is as good as one that was not. What was found is remembered.
func (r *accountRun) openSame(ctx context.Context, first bool) (near *maildir.Tree, err error) {
	changed, moved, err := r.sameSettings()
	if err != nil {
		return nil, err
	}
	near, err = r.openNear(first)
	if err != nil {
		if moved != nil {
			err = moved
		}
		return nil, err
	}
	defer func() {
		if err != nil {
			near, err = nil, errors.Join(err, near.Close())
		}
	}()
	known, err := r.sameTree(ctx, near, moved)
	if err != nil || r.o.dryRun {
		return near, err
	}
	if changed || moved != nil {
		err = r.ledger.PutSettings(r.account.settings())
	}
	if err == nil && !known {
		err = r.mark(near)
	}
	return near, err
}

// A foreignError says that the Maildir is not the tree that the state was made with (R25).
type foreignError struct {
	state, maildir string
	marker         maildir.Marker
	older          bool // it is an older copy
	fresh          bool // the state is a new one
}

func (e *foreignError) Error() string {
	switch {
	case e.fresh:
		return fmt.Sprintf("%s is the Maildir of another account, %s, as its file .mailtwin says", e.maildir, show(e.marker.Source))
	case e.older:
		return e.maildir + " is an older copy of the Maildir that the state was made with, as its file .mailtwin says"
	case e.marker.Ledger == "":
		return e.maildir + " is not the Maildir that the state was made with: its file .mailtwin is missing"
	}
	return e.maildir + " is not the Maildir that the state was made with: its file .mailtwin is that of another state"
}

func (e *foreignError) hint(string) string {
	switch {
	case e.fresh:
		return "nothing was changed. Name another maildir. If it is the mail of this account after all, remove the file .mailtwin there"
	case e.older:
		return fmt.Sprintf("nothing was changed. Put the newest one back. If this is what you have, move %s away, and the next sync pairs it anew: "+
			"no mail is lost, but what was removed after the copy was made comes back", show(e.state))
	}
	return fmt.Sprintf("nothing was changed. Is the right disk mounted, and is maildir the right folder? If it holds the mail of this "+
		"account, restored or copied, move %s away, and the next sync pairs it anew", show(e.state))
}

// settingMarked is the edition of the marker, once the Maildir has one. A state of the first version has none.
const settingMarked = "marked"

// sameTree makes sure that the Maildir is the one that the state knows, and tells whether its marker is as it should be.
func (r *accountRun) sameTree(ctx context.Context, near *maildir.Tree, moved error) (known bool, err error) {
	marker, err := near.Marker()
	if err != nil {
		return false, err
	}
	settings, err := r.ledger.Settings()
	if err != nil {
		return false, err
	}
	marked := settings[settingMarked]
	edition, err := strconv.ParseUint(marked, 10, 64)
	if err != nil {
		edition = 0 // it has none yet
	}
	r.edition = max(edition, marker.Edition)
	foreign := &foreignError{state: r.account.State, maildir: r.account.Maildir, marker: marker, fresh: r.known == 0}
	switch {
	case marker.Ledger == r.ledger.ID():
		if foreign.older = marker.Edition < edition; foreign.older && r.known > 0 {
			return false, foreign
		}
		return marked != "" && marker.Source == r.account.source(), nil
	case moved != nil:
		return false, moved
	case r.known == 0 && (marker.Source == "" || marker.Source == r.account.source()):
		return false, nil // a new state takes over
	case marker.Ledger != "":
		return false, foreign
	case marked == "":
		return false, nil
	case isEmpty(ctx, near) && r.o.allowDelete:
		return false, nil
	case isEmpty(ctx, near):
		return false, &syncer.BrakeError{Side: syncer.Near, Lost: r.known}
	}
	return false, foreign
}

// mark begins another edition of the Maildir. The marker is ahead of the state if the run dies in between, which is no
// harm: only one that is behind is an older copy.
func (r *accountRun) mark(near *maildir.Tree) error {
	r.edition++
	if err := near.Mark(maildir.Marker{Ledger: r.ledger.ID(), Source: r.account.source(), Edition: r.edition}); err != nil {
		return err
	}
	r.marked = true
	settings := map[string]string{settingMarked: strconv.FormatUint(r.edition, 10)}
	if r.account.OnChange.given() {
		settings[settingUntold] = "1" // what dies now may have changed something
	}
	return r.ledger.PutSettings(settings)
}

// A markedLedger begins another edition of the Maildir, once in a run, before it learns of anything that an older copy
// of the Maildir does not have, or still has.
type markedLedger struct {
	*state.DB
	mark func() error
}

// Commit implements syncer.Ledger.
func (l markedLedger) Commit(ctx context.Context, updates ...mailbox.Update) error {
	tells := func(u mailbox.Update) bool { return len(u.Put)+len(u.Drop) > 0 || u.Rename != "" || u.Forget }
	if slices.ContainsFunc(updates, tells) {
		if err := l.mark(); err != nil {
			return err
		}
	}
	return l.DB.Commit(ctx, updates...)
}

func (r *accountRun) markedLedger(near *maildir.Tree) markedLedger {
	return markedLedger{r.ledger, sync.OnceValue(func() error {
		if r.marked {
			return nil
		}
		return r.mark(near)
	})}
}

// isEmpty tells whether a Maildir surely has no mailbox.
func isEmpty(ctx context.Context, near *maildir.Tree) bool {
	infos, err := near.Mailboxes(ctx)
	return err == nil && len(infos) == 0
}

// settingPrefix is what stands before the names of the account's mailboxes on the wire. All names of the state hang on
// it, so it stays, and the server is not asked in each run.
const settingPrefix = "prefix"

func (r *accountRun) prefix() (*string, error) {
	settings, err := r.ledger.Settings()
	if prefix, known := settings[settingPrefix]; known {
		return &prefix, nil
	}
	return nil, err
}

func (r *accountRun) keepPrefix(was *string, far *imap.Account) error {
	is, known := far.Prefix()
	if !known || was != nil && *was == is || r.o.dryRun {
		return nil
	}
	return r.ledger.PutSettings(map[string]string{settingPrefix: is})
}

// settingMailboxes remembers which mailboxes the configuration chose.
const settingMailboxes = "mailboxes"

// lastMailboxes returns what the configuration chose for the last run.
func lastMailboxes(ledger *state.DB) (patterns mailbox.Patterns, err error) {
	settings, err := ledger.Settings()
	if err != nil || settings[settingMailboxes] == "" {
		return nil, err
	}
	if err := json.Unmarshal([]byte(settings[settingMailboxes]), &patterns); err != nil {
		return nil, fmt.Errorf("mailboxes of the last run: %w", err)
	}
	return patterns, nil
}

// narrowed tells, once, which mailboxes the configuration chose before and does not choose any more (R26).
func (r *accountRun) narrowed(twins []mailbox.Twin) error {
	is := mailbox.Patterns(r.account.Mailboxes)
	was, err := lastMailboxes(r.ledger)
	if err != nil || slices.Equal(was, is) {
		return err
	}
	var left []string
	for _, t := range twins {
		if was.Match(t.Name) && !is.Match(t.Name) {
			left = append(left, fmt.Sprintf("%q", string(t.Name)))
		}
	}
	if len(left) > 0 {
		r.teller.warn(fmt.Errorf("mailboxes leaves out what was synced before; it stays as it is on both sides: %s", strings.Join(left, ", ")))
	}
	if r.o.dryRun {
		return nil
	}
	text, err := json.Marshal(is)
	if err != nil {
		return err
	}
	return r.ledger.PutSettings(map[string]string{settingMailboxes: string(text), settingGmail: ""})
}
