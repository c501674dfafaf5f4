package main

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"mime"
	"strings"

	"mailtwin/mailbox"
	"mailtwin/maildir"
)

// A headline is what a message says about itself.
type headline struct {
	read          bool
	subject, from string
}

// atOnce is how many changes are told at once: their messages are looked for together.
const atOnce = 500

// changes goes over the changes of a run, with what their messages say about themselves, where the Maildir or the attic
// still has them.
func (h *runHistory) changes(ctx context.Context, run uint64, tell func(mailbox.Change, headline) error) (err error) {
	near, err := h.openNear()
	if err != nil {
		return err
	}
	if near != nil {
		defer func() { err = errors.Join(err, near.Close()) }()
	}
	var part []mailbox.Change
	flush := func() error {
		lines, err := h.headlines(ctx, near, part)
		if err != nil {
			return err
		}
		for i, c := range part {
			if err := tell(c, lines[i]); err != nil {
				return err
			}
		}
		part = part[:0]
		return nil
	}
	for c, err := range h.ledger.Changes(ctx, run) {
		if err != nil {
			return err
		}
		if part = append(part, c); len(part) == atOnce {
			if err := flush(); err != nil {
				return err
			}
		}
	}
	return flush()
}

// openNear opens the Maildir to read in it; nil if there is none.
func (h *runHistory) openNear() (*maildir.Tree, error) {
	a := h.account
	near, err := maildir.Open(maildir.Options{Root: a.Maildir, Source: a.source(), Layout: maildir.Layout(a.Layout), Attic: a.attic()})
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return near, err
}

// headlines reads the messages of changes.
func (h *runHistory) headlines(ctx context.Context, near *maildir.Tree, changes []mailbox.Change) ([]headline, error) {
	lines := make([]headline, len(changes))
	if near == nil {
		return lines, nil
	}
	of := map[mailbox.Source][]int{}
	var wanted []mailbox.Located
	missing := map[mailbox.Place][]int{}
	for i, c := range changes {
		source, found, err := h.inMaildir(ctx, c)
		if err != nil {
			return nil, err
		}
		if found {
			of[source] = append(of[source], i)
			continue
		}
		place := mailbox.Place{Mailbox: c.Mailbox, ID: c.Pair.Near}
		missing[place] = append(missing[place], i)
		wanted = append(wanted, mailbox.Located{Mailbox: c.Mailbox, Pair: c.Pair})
	}
	shelved, err := near.Shelved(ctx, wanted)
	if err != nil {
		return nil, err
	}
	for place, source := range shelved {
		of[source] = append(of[source], missing[place]...)
	}
	sources := make([]mailbox.Source, 0, len(of))
	for source := range of {
		sources = append(sources, source)
	}
	return lines, near.Peek(ctx, sources, func(s mailbox.Source, r io.Reader) error {
		line, err := readHeadline(r)
		for _, i := range of[s] {
			lines[i] = line
		}
		return err
	})
}

// inMaildir finds a message that has the content of that which was changed.
func (h *runHistory) inMaildir(ctx context.Context, c mailbox.Change) (source mailbox.Source, found bool, err error) {
	if c.Pair.Digest.IsZero() {
		return source, false, nil
	}
	for l, err := range h.ledger.ByHint(ctx, c.Pair.Hint) {
		if err != nil {
			return source, false, err
		}
		if l.Digest == c.Pair.Digest && l.Near != "" {
			return mailbox.Source{Place: mailbox.Place{Mailbox: l.Mailbox, ID: l.Near}}, true, nil
		}
	}
	return source, false, nil
}

// maxHeadline bounds how much of a message is read for its headline, in octets.
const maxHeadline = 64 << 10

func readHeadline(r io.Reader) (headline, error) {
	text, err := io.ReadAll(io.LimitReader(r, maxHeadline))
	if err != nil {
		return headline{}, err
	}
	header, _, _ := strings.Cut(string(text), "\r\n\r\n")
	return headline{read: true, subject: decoded(header, "subject"), from: decoded(header, "from")}, nil
}

// decoded returns a field of a header for people. What cannot be decoded stays as it is.
//
// Source: RFC 2047.
func decoded(header, field string) string {
	raw := mailbox.Field([]byte(header), field)
	if text, err := new(mime.WordDecoder).DecodeHeader(raw); err == nil {
		return text
	}
	return raw
}
