package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"slices"
	"strings"
	"time"

	"mailtwin/mailbox"
	"mailtwin/syncer"
)

// verifyCounts add up what was found.
type verifyCounts struct {
	differences, waiting, mended int
}

// counts tells whether something is to be counted as a difference.
func (v *verifyRun) counts(d *syncer.Difference) bool {
	return !d.Mended && (!d.Waits || v.opts.strict)
}

// tellDifferences tells all that was found, one by one, and what to do about each kind once.
func (v *verifyRun) tellDifferences(ctx context.Context) error {
	var hints []string
	for _, m := range v.found.Mailboxes {
		about, err := v.headings(ctx, m)
		if err != nil {
			return err
		}
		arrived := 0
		for i := range m.Differences {
			d := &m.Differences[i]
			v.shown.add(v, d)
			if v.tell(d, about[d.Pair.Near]) {
				arrived++
			}
			if hint := showLong(v.wording(d).hint); v.counts(d) && !slices.Contains(hints, hint) {
				hints = append(hints, hint)
			}
		}
		if arrived > 0 && v.teller.loud() {
			v.line("%s: %s on the server, not synced yet", show(string(m.Mailbox)), plural(arrived, "new message"))
		}
	}
	if v.opts.json {
		return nil
	}
	v.teller.bar.aside(func() {
		for _, hint := range hints {
			v.env.hint(hint)
		}
	})
	return nil
}

func (c *verifyCounts) add(v *verifyRun, d *syncer.Difference) {
	switch {
	case d.Mended:
		c.mended++
	case v.counts(d):
		c.differences++
	default:
		c.waiting++
	}
}

// tell tells of one difference. Of a message that is only new, of which there may be many, it tells no person, and returns
// true.
func (v *verifyRun) tell(d *syncer.Difference, about heading) (isNew bool) {
	counts := v.counts(d) || d.Mended
	switch {
	case v.opts.json:
		v.teller.event("difference", v.fields(d, about))
		return false
	case !counts && d.Kind == syncer.Unknown && d.Side == syncer.Far:
		return true
	case !counts && !v.teller.loud():
		return false
	}
	text := showLong(v.wording(d).text)
	if v.opts.repair {
		text += "; " + showLong(mending(d))
	}
	v.line("%s: %s", place(d), text)
	if text := about.String(); text != "" {
		v.line("  %s", text)
	}
	return false
}

// wording is what there is to say of a difference.
func (v *verifyRun) wording(d *syncer.Difference) wording {
	return wordingOf(show(v.account.name), v.backup, d)
}

// line prints a line of results.
func (v *verifyRun) line(format string, args ...any) {
	v.teller.bar.aside(func() { v.env.print("%s: %s", show(v.account.name), fmt.Sprintf(format, args...)) })
}

// place names the mailbox, and the message by its UID.
func place(d *syncer.Difference) string {
	if d.Pair.Far == "" {
		return show(string(d.Mailbox))
	}
	return show(string(d.Mailbox)) + ", UID " + show(string(d.Pair.Far))
}

// A heading is what a message says of itself.
type heading struct{ from, date, subject, messageID string }

func (h heading) String() string {
	var parts []string
	for _, p := range []struct{ name, value string }{{"From", h.from}, {"Date", h.date}, {"Subject", h.subject}} {
		if p.value != "" {
			parts = append(parts, p.name+": "+show(p.value))
		}
	}
	return strings.Join(parts, ", ")
}

// headings reads what the files say of themselves in which something differs.
func (v *verifyRun) headings(ctx context.Context, m *syncer.Verified) (map[mailbox.ID]heading, error) {
	var ids []mailbox.ID
	for _, d := range m.Differences {
		gone := d.Side == syncer.Near && (d.Kind == syncer.Absent || d.Kind == syncer.Unreadable) && !d.Mended
		if d.Pair.Near != "" && !gone {
			ids = append(ids, d.Pair.Near)
		}
	}
	about := map[mailbox.ID]heading{}
	if len(ids) == 0 {
		return about, nil
	}
	err := v.near.Fetch(ctx, m.Mailbox, ids, func(id mailbox.ID, body io.Reader) error {
		about[id] = readHeading(body)
		return nil
	}, func(mailbox.ID, error) {}) // what cannot be read is not described
	if errors.Is(err, mailbox.ErrNoMailbox) || errors.Is(err, mailbox.ErrHalf) {
		err = nil
	}
	return about, err
}

// readHeading reads some fields of a header, as far as there are any.
func readHeading(body io.Reader) heading {
	const most = 64 << 10
	header, _ := io.ReadAll(io.LimitReader(body, most)) // what could be read is enough
	header, _, _ = bytes.Cut(header, []byte("\r\n\r\n"))
	field := func(name string) string {
		value := mailbox.Field(header, name)
		if decoded, err := new(mime.WordDecoder).DecodeHeader(value); err == nil {
			value = decoded
		}
		return value
	}
	return heading{field("From"), field("Date"), field("Subject"), mailbox.MessageID(header)}
}

// finish sums up.
func (v *verifyRun) finish(err error) {
	if v.opts.json {
		v.finishJSON(err)
		return
	}
	if v.found != nil && (v.teller.loud() || v.shown.differences > 0) {
		v.summary(err)
	}
	if err != nil && !errors.Is(err, errDifferences) && !errors.Is(err, errUnseen) {
		v.teller.bar.aside(func() { v.env.complain(v.account.name, err) })
	}
}

// summary is what a person is told in the end.
func (v *verifyRun) summary(err error) {
	var sum syncer.Verified
	for _, m := range v.found.Mailboxes {
		if v.opts.verbose {
			v.line("%s: %d on the server, %d in the Maildir, %d on both", show(string(m.Mailbox)), m.Messages[syncer.Far], m.Messages[syncer.Near], m.Pairs)
		}
		sum.Add(m)
	}
	if v.writer != 0 {
		v.line("a sync is at work, process %d; what it is just changing may look like a difference", v.writer)
	}
	var parts []string
	note := func(n int, text string) {
		if n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, text))
		}
	}
	all := fmt.Sprintf("%s in %s", plural(sum.Pairs, "message"), plural(len(v.found.Mailboxes), "mailbox"))
	switch {
	case v.shown.differences > 0:
		parts = append(parts, plural(v.shown.differences, "difference"), all+" on both sides")
	case err != nil:
		parts = append(parts, all+" on both sides")
	case v.shown.waiting+sum.Pending+sum.Kept+sum.Left+sum.Rewritten > 0:
		parts = append(parts, "no difference", all+" on both sides")
	default:
		parts = append(parts, "the Maildir equals the server", all)
	}
	note(v.shown.mended, "mended")
	note(v.shown.waiting, "not synced yet")
	note(sum.Pending, "to be downloaded")
	note(sum.Kept, "removed here and kept on the server")
	note(sum.Left, "gone on the server and kept here")
	note(sum.Rewritten, "stored in another form by the server")
	note(len(v.found.Problems), "not looked at")
	note(sum.Read[syncer.Near], "read here")
	note(sum.Read[syncer.Far], fmt.Sprintf("downloaded again (--seed %d)", v.opts.seed))
	v.line("%s, in %s", strings.Join(parts, ", "), time.Since(v.teller.began).Round(10*time.Millisecond))
}
