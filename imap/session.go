package imap

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailtwin/imap/wire"
	"mailtwin/mailbox"
)

// A session is one connection, logged in.
type session struct {
	account *Account
	conn    *wire.Conn
	client  *imapclient.Client
	caps    map[string]bool

	advice advice

	asked    bool         // ENABLE was sent, or is not wanted
	resyncs  bool         // QRESYNC was asked for
	opened   bool         // some mailbox may be selected, or examined
	selected mailbox.Name // the one that is selected, as commands with UIDs need it; empty if none
	data     *goimap.SelectData
}

// do runs a call of go-imap, which knows no context, and translates its errors.
func (s *session) do(ctx context.Context, call func() error) error {
	stop := context.AfterFunc(ctx, func() { s.conn.Close() }) //nolint:errcheck // what follows sees it
	defer stop()
	err := call()
	if ctx.Err() != nil {
		return ctx.Err()
	}
	var refused *goimap.Error
	if err == nil || errors.As(err, &refused) {
		return err
	}
	if dead := s.conn.Err(); dead != nil {
		return dead
	}
	return fmt.Errorf("%w: %w", mailbox.ErrTemporary, err)
}

// flight is how many commands are sent before the answers to the first of them must have come: enough that the server
// never waits for us, and not so many that it stops reading.
const flight = 64

// exec sends commands flight by flight, see wire.Conn.Exec.
func (s *session) exec(ctx context.Context, handle func(*wire.Response) error, cmds []*wire.Command) ([]wire.Status, error) {
	answers := make([]wire.Status, 0, len(cmds))
	for part := range slices.Chunk(cmds, flight) {
		some, err := s.conn.Exec(ctx, handle, part...)
		if err != nil {
			return nil, err
		}
		answers = append(answers, some...)
	}
	return answers, nil
}

func (s *session) condstore() bool { return s.caps["CONDSTORE"] || s.caps["QRESYNC"] }

// gmail is the capability that Gmail alone has.
const gmail = "X-GM-EXT-1"

// idItem is the item that brings the server's own name for a message; empty if it has none.
//
// Source: RFC 8474, section 5.1; Gmail's X-GM-EXT-1.
func (s *session) idItem() string {
	switch {
	case s.caps[gmail]:
		return "X-GM-MSGID"
	case s.caps["OBJECTID"]:
		return "EMAILID"
	}
	return ""
}

// unselect leaves the selected mailbox, without the expunge that CLOSE would bring. STATUS of a selected mailbox is
// stale on many servers.
//
// Source: RFC 3691.
func (s *session) unselect(ctx context.Context) error {
	if !s.opened {
		return nil
	}
	s.opened, s.selected, s.data = false, "", nil
	if s.caps["UNSELECT"] {
		err := s.do(ctx, func() error { return s.client.Unselect().Wait() })
		var refused *goimap.Error
		if !errors.As(err, &refused) {
			return err
		}
	}
	// A failing EXAMINE deselects.
	_, err := s.conn.Exec(ctx, nil, wire.Cmd("EXAMINE").String("mailtwin has no mailbox of this name"))
	return err
}

// open selects a mailbox anew, or looks at it without the right to change it.
func (s *session) open(ctx context.Context, name mailbox.Name, readOnly bool) (*goimap.SelectData, error) {
	wait, err := s.beginOpen(ctx, name, readOnly)
	if err != nil {
		return nil, err
	}
	return wait(ctx)
}

// beginOpen sends a SELECT, so that more can follow in the same flight, and returns how to wait for its answer.
func (s *session) beginOpen(ctx context.Context, name mailbox.Name, readOnly bool) (func(context.Context) (*goimap.SelectData, error), error) {
	known, err := s.account.utf8Name(name)
	if err != nil {
		return nil, err
	}
	if err := s.enable(ctx); err != nil {
		return nil, err
	}
	s.opened, s.selected, s.data = true, "", nil
	only := s.account.options.ReadOnly
	readOnly = readOnly || only
	cmd := s.client.Select(known, &goimap.SelectOptions{ReadOnly: readOnly, CondStore: s.condstore()})
	return func(ctx context.Context) (*goimap.SelectData, error) {
		var data *goimap.SelectData
		err := s.do(ctx, func() (err error) {
			data, err = cmd.Wait()
			return err
		})
		var refused *goimap.Error
		if errors.As(err, &refused) {
			s.opened = false // what was selected before is left also by a SELECT that fails
			return nil, refusedMailbox(name, refused)
		}
		if err != nil {
			return nil, err
		}
		if !readOnly || only {
			s.selected, s.data = name, data
		}
		return data, nil
	}, nil
}

// refusedMailbox is the error of a mailbox that the server does not let us have. Only a NO that gives no other reason
// says that there is no such mailbox.
func refusedMailbox(name mailbox.Name, refused *goimap.Error) error {
	err := refusedText(refused)
	none := refused.Code == "" || refused.Code == goimap.ResponseCodeNonExistent || refused.Code == goimap.ResponseCodeTryCreate
	if none && refused.Type == goimap.StatusResponseTypeNo && !errors.Is(err, mailbox.ErrTemporary) {
		err = fmt.Errorf("%w: %w", mailbox.ErrNoMailbox, err)
	}
	return &mailbox.MailboxError{Mailbox: name, Err: err}
}

// refusedText is what the server said, without go-imap's prefix.
func refusedText(refused *goimap.Error) error {
	return refusedStatus(statusOf(refused))
}

// refusedStatus is what the server said.
func refusedStatus(status wire.Status) error {
	text := status.Kind + " "
	if status.Code != "" {
		text += "[" + status.Code + "] "
	}
	text += status.Text
	if status.Passing() {
		return fmt.Errorf("%w: %s", mailbox.ErrTemporary, text)
	}
	return errors.New(text)
}

// statusOf is what the server said, as the layer below go-imap would tell it.
func statusOf(refused *goimap.Error) wire.Status {
	return wire.Status{Kind: string(refused.Type), Code: string(refused.Code), Text: plainText(refused.Text)}
}

// plainText takes back the mark that the guard puts before a text.
func plainText(text string) string { return strings.TrimPrefix(text, ".") }

// named gives a server's refusal the name of the mailbox, so that the run goes on with the others.
func named(name mailbox.Name, verb string, err error) error {
	var refused *goimap.Error
	var status *wire.StatusError
	switch {
	case errors.Is(err, mailbox.ErrAuth): // of one more connection, which concerns more than the mailbox
	case errors.As(err, &refused):
		return &mailbox.MailboxError{Mailbox: name, Err: fmt.Errorf("%s: %w", verb, refusedText(refused))}
	case errors.As(err, &status):
		return &mailbox.MailboxError{Mailbox: name, Err: fmt.Errorf("%s: %w", verb, err)}
	}
	return err
}

// use selects a mailbox for a command with UIDs, under the validity that the UIDs were learnt under. A mailbox that was
// opened before the last message came is opened anew: a server need not know UIDs in it that the session was not told of,
// and then does nothing about them and says OK.
//
// Source: RFC 9051, sections 2.3.1.1 and 6.4.9.
func (s *session) use(ctx context.Context, name mailbox.Name) error {
	if s.selected != name || s.data.UIDNext != 0 && s.account.given(name) >= uint32(s.data.UIDNext) {
		if _, err := s.open(ctx, name, false); err != nil {
			return err
		}
	}
	a := s.account
	a.mu.Lock()
	defer a.mu.Unlock()
	if known, ok := a.validity[name]; ok && known != s.data.UIDValidity {
		return &mailbox.MailboxError{Mailbox: name, Err: mailbox.ErrUIDValidity}
	}
	a.keeps[name] = s.holds(s.data)
	return nil
}

// holds tells which flags a mailbox can store. A list that is absent says nothing. The answer to an EXAMINE has an empty
// one, for nothing can be changed then; there a flag is taken for one that the mailbox can store if it has it.
//
// Source: RFC 9051, sections 6.3.3 and 7.1, PERMANENTFLAGS, and 7.3.5, FLAGS.
func (s *session) holds(data *goimap.SelectData) func(mailbox.Flag) bool {
	flags := data.PermanentFlags
	if len(flags) == 0 && s.account.options.ReadOnly {
		flags = data.Flags
	}
	if len(flags) == 0 {
		return nil
	}
	listed, others := map[string]bool{}, false
	for _, flag := range flags {
		if flag == goimap.FlagWildcard {
			others = true
		}
		listed[strings.ToLower(string(flag))] = true
	}
	return func(flag mailbox.Flag) bool {
		return listed[strings.ToLower(string(flag))] || (others && !strings.HasPrefix(string(flag), `\`))
	}
}
