package state

import (
	"bytes"
	"fmt"

	"mailtwin/mailbox"
)

func encodeOutcome(key []byte, o mailbox.Outcome) []byte {
	e := newRecord()
	e.time(o.Began)
	e.time(o.Ended)
	e.flag(o.Whole)
	e.text(o.Error)
	for _, n := range []int{o.Status, o.Downloaded, o.Uploaded, o.Removed[0], o.Removed[1], o.Left} {
		e.uint(uint64(n))
	}
	e.text(o.Command)
	e.time(o.First)
	e.uint(uint64(o.Times))
	e.uint(uint64(o.Changes))
	e.uint(uint64(len(o.Mailboxes)))
	for _, c := range o.Mailboxes {
		e.counts(c)
	}
	return e.seal(key)
}

func decodeOutcome(key, value []byte) (mailbox.Outcome, error) {
	d := openRecord(key, value)
	o := mailbox.Outcome{Run: runOf(key), Began: d.time(), Ended: d.time(), Whole: d.upTo(1) == 1, Error: d.text()}
	for _, n := range []*int{&o.Status, &o.Downloaded, &o.Uploaded, &o.Removed[0], &o.Removed[1], &o.Left} {
		*n = d.count()
	}
	if d.err != nil || len(d.rest) == 0 { // earlier records end here
		return o, d.close()
	}
	o.Command, o.First, o.Times, o.Changes = d.text(), d.time(), d.count(), d.count()
	for n := d.count(); n > 0 && d.err == nil; n-- {
		o.Mailboxes = append(o.Mailboxes, d.counts())
	}
	return o, d.close()
}

// numbers are the numbers of a line of counts, in the order in which they are written down. A record says which of them it
// has by their places, so new ones go to the end.
func numbers(c *mailbox.Counts) []*int {
	all := []*int{&c.Downloaded, &c.Uploaded, &c.Adopted, &c.Unlabelled, &c.Trashed, &c.Kept, &c.Marked}
	for _, by := range []*[2]int{&c.Copied, &c.Moved, &c.Flagged, &c.Removed} {
		all = append(all, &by[0], &by[1])
	}
	return append(all, &c.Left, &c.NotChosen)
}

// counts writes a line. Most numbers are 0, so that only the others are written, each with its place.
func (e *encoder) counts(c mailbox.Counts) {
	e.text(string(c.Mailbox))
	e.text(string(c.Renamed))
	e.int(c.DownloadedSize)
	e.int(c.UploadedSize)
	for _, is := range []bool{c.Created[0], c.Created[1], c.Deleted[0], c.Deleted[1]} {
		e.flag(is)
	}
	for i, n := range numbers(&c) {
		if *n != 0 {
			e.uint(uint64(i + 1))
			e.uint(uint64(*n))
		}
	}
	e.uint(0)
}

func (d *decoder) counts() (c mailbox.Counts) {
	c.Mailbox, c.Renamed = mailbox.Name(d.text()), mailbox.Name(d.text())
	c.DownloadedSize, c.UploadedSize = d.int(), d.int()
	for _, is := range []*bool{&c.Created[0], &c.Created[1], &c.Deleted[0], &c.Deleted[1]} {
		*is = d.upTo(1) == 1
	}
	all := numbers(&c)
	for i := d.upTo(uint64(len(all))); i > 0; i = d.upTo(uint64(len(all))) {
		*all[i-1] = d.count()
	}
	return c
}

// A change's record is sealed with the number of its run, too.
func encodeChange(run, key []byte, c mailbox.Change) []byte {
	e := newRecord()
	e.uint(uint64(c.Kind))
	e.flag(c.On[0])
	e.flag(c.On[1])
	e.text(string(c.Mailbox))
	e.text(string(c.To))
	e.text(string(c.Far))
	e.text(string(c.Near))
	e.flags(c.Flags)
	e.uint(uint64(c.Rest))
	e.text(string(c.Pair.Far))
	e.pair(c.Pair)
	return e.seal(append(bytes.Clone(run), key...))
}

func decodeChange(run, key, value []byte) (mailbox.Change, error) {
	d := openRecord(append(bytes.Clone(run), key...), value)
	c := mailbox.Change{
		Kind: mailbox.ChangeKind(d.upTo(uint64(mailbox.MailboxRenamed))), On: [2]bool{d.upTo(1) == 1, d.upTo(1) == 1},
		Mailbox: mailbox.Name(d.text()), To: mailbox.Name(d.text()), Far: mailbox.ID(d.text()), Near: mailbox.ID(d.text()),
		Flags: d.flags(), Rest: d.count(),
	}
	c.Pair = d.pair(mailbox.ID(d.text()))
	if err := d.close(); err != nil {
		return c, fmt.Errorf("change of %q: %w", string(c.Mailbox), err)
	}
	return c, nil
}
