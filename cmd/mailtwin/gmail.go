package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"mailtwin/imap"
	"mailtwin/imap/gmail"
	"mailtwin/mailbox"
	"mailtwin/maildir"
	"mailtwin/syncer"
)

// settingGmail is how far the account is known, as gmail.Account.Position tells. It holds for the mailboxes that were
// chosen then: with others it begins anew.
const settingGmail = "gmail"

// syncGmail syncs an account that is Gmail's.
func (r *accountRun) syncGmail(ctx context.Context, far *imap.Account, near *maildir.Tree, o syncer.Options) (report *syncer.Report, err error) {
	settings, err := r.ledger.Settings()
	if err != nil {
		return nil, err
	}
	account := gmail.New(far, gmail.Options{
		Ledger: r.ledger, Since: settings[settingGmail], Report: r.teller.note,
		Identify: r.known == 0 && !isEmpty(ctx, near),
	})
	o.Mailboxes = r.asked(account, o.Mailboxes)
	report, err = r.syncWith(ctx, gmailSide{account}, near, o)
	if err != nil && !heldBack(err) && !errors.As(err, new(*syncer.QuotaError)) { // which ended nothing before its time
		return report, err
	}
	tellLimit(r.teller, gmailSide{account})
	return report, errors.Join(err, r.tellHidden(settings, account), r.keepPosition(settings, account, report))
}

// keepPosition remembers how far the account is known, if it is known what was left undone of what happened there.
func (r *accountRun) keepPosition(settings map[string]string, account *gmail.Account, report *syncer.Report) error {
	position := account.Position(report.Behind)
	unsure := !report.Settled && (len(report.Behind) == 0 || position == "")
	if r.o.dryRun || unsure || len(r.o.mailboxes) > 0 || position == settings[settingGmail] {
		return nil
	}
	return r.ledger.PutSettings(map[string]string{settingGmail: position})
}

// asked leaves out mailboxes that nobody asked for, and those that are hidden: what is here of them stays as it is.
func (r *accountRun) asked(account *gmail.Account, wanted func(mailbox.Name) bool) func(mailbox.Name) bool {
	unasked := len(r.account.Mailboxes)+len(r.o.mailboxes) == 0
	return func(name mailbox.Name) bool {
		return wanted(name) && !account.Hidden(name) && (!unasked || !account.Unasked(name))
	}
}

// settingHidden is what the owner was told of what Gmail does not show: it is not told again while it is so.
const settingHidden = "gmail hidden"

const (
	allMailNote = "no All Mail is shown over IMAP, so each mailbox is asked for everything, and a message that leaves its last " +
		"mailbox is out of sight. It can be shown: Gmail's settings, Labels, Show in IMAP"
	hiddenNote = "no longer shown over IMAP, so what is here stays as it is and is not synced: %s. To have it shown: Gmail's settings, " +
		"Labels, Show in IMAP"
	limitNote = "it seems that Gmail shows only the newest %d messages of each mailbox. What is older is not synced, and stays here as " +
		"it is. To have all mail shown: Gmail's settings, Forwarding and POP/IMAP, Folder size limits, Do not limit"
)

// tellHidden tells once that All Mail is not shown, and which mailboxes that were synced are not shown any more. A run in which
// All Mail did not answer leaves that to the next one.
func (r *accountRun) tellHidden(settings map[string]string, account *gmail.Account) error {
	if account.Forgone() {
		return nil
	}
	var hidden []string
	for _, name := range account.NoLongerShown() {
		hidden = append(hidden, fmt.Sprintf("%q", string(name)))
	}
	names := strings.Join(hidden, ", ")
	is := names
	if account.Whole() == "" {
		is = strings.TrimSpace("told " + names)
	}
	if is == settings[settingHidden] {
		return nil
	}
	if account.Whole() == "" {
		r.teller.warn(errors.New(allMailNote))
	}
	if names != "" {
		r.teller.warn(fmt.Errorf(hiddenNote, names))
	}
	if r.o.dryRun {
		return nil
	}
	return r.ledger.PutSettings(map[string]string{settingHidden: is})
}

// tellLimit tells that only the newest messages are shown, if far is such an account. It is told in each run: what is older is
// out of reach.
func tellLimit(t *teller, far syncer.Replica) {
	if g, ok := far.(gmailSide); ok && g.Limit() > 0 {
		t.warn(fmt.Errorf(limitNote, g.Limit()))
	}
}
