package main

import (
	"context"
	"errors"

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
	return report, errors.Join(err, r.tellHidden(settings, account), r.keepPosition(settings, account, report))
}

// keepPosition remembers how far the account is known, if nothing was left undone of what happened there.
func (r *accountRun) keepPosition(settings map[string]string, account *gmail.Account, report *syncer.Report) error {
	position := account.Position()
	if r.o.dryRun || !report.Settled || len(r.o.mailboxes) > 0 || position == settings[settingGmail] {
		return nil
	}
	return r.ledger.PutSettings(map[string]string{settingGmail: position})
}

// asked leaves out mailboxes that nobody asked for.
func (r *accountRun) asked(account *gmail.Account, wanted func(mailbox.Name) bool) func(mailbox.Name) bool {
	unasked := len(r.account.Mailboxes)+len(r.o.mailboxes) == 0
	return func(name mailbox.Name) bool {
		return wanted(name) && !account.Hidden(name) && (!unasked || !account.Unasked(name))
	}
}

// settingHidden is there while All Mail is not shown, once its owner was told.
const settingHidden = "gmail hidden"

const hiddenNote = "no All Mail is shown over IMAP, so each mailbox is asked for everything, and a message that leaves its last " +
	"mailbox is out of sight. It can be shown: Gmail's settings, Labels, Show in IMAP"

// tellHidden tells once that All Mail is not shown, or not any more.
func (r *accountRun) tellHidden(settings map[string]string, account *gmail.Account) error {
	is := ""
	if account.Whole() == "" {
		is = "told"
	}
	if is == settings[settingHidden] {
		return nil
	}
	if is != "" {
		r.teller.warn(errors.New(hiddenNote))
	}
	if r.o.dryRun {
		return nil
	}
	return r.ledger.PutSettings(map[string]string{settingHidden: is})
}
