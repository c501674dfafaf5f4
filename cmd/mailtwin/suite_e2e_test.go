package main

import (
	"errors"
	"sync"
	"testing"

	"mailtwin/imap/imaptest"
)

// TestSuite syncs an account of realistic mail on a real server, on each set of capabilities: first all of it, then
// nothing, then changes on both sides, then nothing.
func TestSuite(t *testing.T) {
	dovecot := imaptest.Dovecot(t, imaptest.DovecotOptions{})
	for _, profile := range imaptest.Profiles {
		t.Run(profile.Name, func(t *testing.T) {
			w := newTwin(t, server{addr: dovecot.Addr, user: dovecot.NewUser(), password: dovecot.Password, profile: profile})
			octets := w.fill(size(500, 20_000))
			o := w.sync()
			far, near := w.wantAgreement("after the first sync")
			if diff := imaptest.DiffDates(far, near); len(diff) > 0 {
				t.Errorf("dates differ:\n%s", head(diff))
			}
			t.Logf("first sync: %d messages, %.0f MB in %d mailboxes: %v", len(far.Copies), float64(octets)/1e6, len(far.Mailboxes), o.took)
			t.Logf("second sync: %v, %d round trips", w.wantIdle("second sync").took, w.proxy.Stats().RoundTrips)

			c := newChanges(w, 99)
			c.prepareMailboxes(1)
			w.sync()
			w.wantAgreement("with the mailboxes that will change")
			c.mailboxes(1)
			c.both(size(150, 500))
			o = w.sync()
			w.wantAgreement("after the changes")
			t.Logf("the changes: %v", o.took)
			w.wantIdle("third sync")
		})
	}
}

// fill stores n messages in many mailboxes of the account, over several connections.
func (w *twin) fill(n int) (octets int64) {
	w.Helper()
	for _, name := range hostile[1:] {
		w.must(w.account.Create(name))
	}
	items := make(chan addressed)
	errs := make(chan error, 4)
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			if err := w.store(items); err != nil {
				errs <- err
			}
		})
	}
	i := 0
	for m := range imaptest.Corpus(20, imaptest.CorpusOptions{}) {
		if i == n {
			break
		}
		// INBOX holds a third, the others what is left.
		name := hostile[0]
		if i%3 != 0 {
			name = hostile[1+i%(len(hostile)-1)]
		}
		select {
		case items <- addressed{name, m}:
		case err := <-errs:
			w.Fatalf("%v", err)
		}
		w.expected[m.Sum()]++
		octets += int64(len(m.Body))
		i++
	}
	close(items)
	wg.Wait()
	close(errs)
	for err := range errs {
		w.Fatalf("%v", err)
	}
	return octets
}

type addressed struct {
	mailbox string
	message imaptest.Message
}

// store appends messages over a connection of its own.
func (w *twin) store(items <-chan addressed) error {
	a, err := imaptest.OpenAccount(w.server.addr, w.server.user, w.server.password)
	if err != nil {
		return err
	}
	for i := range items {
		if _, err := a.Append(i.mailbox, i.message); err != nil {
			return errors.Join(err, a.Close())
		}
	}
	return a.Close()
}
