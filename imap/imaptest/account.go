package imaptest

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"sync"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"
	"golang.org/x/sync/errgroup"
)

// An Account is a mail program's view of an account: it lists, reads and changes it through go-imap alone. Its
// methods may be called from several goroutines; they take turns. Close must be called.
type Account struct {
	addr, user, password string

	mu     sync.Mutex
	client *imapclient.Client
	own    goimap.NamespaceDescriptor // of the user's own mailboxes
}

// OpenAccount logs in to a server, in plain text.
func OpenAccount(addr, user, password string) (*Account, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	client := imapclient.New(conn, nil)
	if err := client.Login(user, password).Wait(); err != nil {
		return nil, errors.Join(fmt.Errorf("log in as %s: %w", user, err), client.Close())
	}
	a := &Account{addr: addr, user: user, password: password, client: client, own: goimap.NamespaceDescriptor{Delim: '/'}}
	if !client.Caps().Has(goimap.CapNamespace) {
		return a, nil
	}
	data, err := client.Namespace().Wait()
	if err != nil || len(data.Personal) == 0 {
		return nil, errors.Join(fmt.Errorf("ask for namespaces: %v, %w", data, err), client.Close())
	}
	a.own = data.Personal[0]
	return a, nil
}

// wire returns the server's name of a mailbox: mailboxes but INBOX begin with a prefix, and levels are separated in the
// server's way.
func (a *Account) wire(mailbox string) string {
	if mailbox == "INBOX" {
		return mailbox
	}
	return a.own.Prefix + strings.ReplaceAll(mailbox, "/", string(a.own.Delim))
}

// name undoes wire.
func (a *Account) name(wire string) string {
	return strings.ReplaceAll(strings.TrimPrefix(wire, a.own.Prefix), string(a.own.Delim), "/")
}

// NewAccount logs in to a server until the test ends.
func NewAccount(t TB, addr, user, password string) *Account {
	t.Helper()
	a, err := OpenAccount(addr, user, password)
	if err != nil {
		t.Fatalf("open an account: %v", err)
	}
	t.Cleanup(func() { _ = a.Close() }) // the test is over: nothing depends on it
	return a
}

// Close ends the connection.
func (a *Account) Close() error { return a.client.Close() }

// Mailboxes lists the mailboxes that can hold messages, sorted.
func (a *Account) Mailboxes() ([]string, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	list, err := a.client.List("", "*", nil).Collect()
	if err != nil {
		return nil, fmt.Errorf("list mailboxes: %w", err)
	}
	var names []string
	for _, l := range list {
		if !slices.Contains(l.Attrs, goimap.MailboxAttrNoSelect) && !slices.Contains(l.Attrs, goimap.MailboxAttrNonExistent) {
			names = append(names, a.name(l.Mailbox))
		}
	}
	slices.Sort(names)
	return names, nil
}

// View reads every message of every mailbox, over four connections.
func (a *Account) View() (View, error) {
	names, err := a.Mailboxes()
	if err != nil {
		return View{}, err
	}
	v := View{Mailboxes: names}
	next := make(chan string, len(names))
	for _, name := range names {
		next <- name
	}
	close(next)
	var mu sync.Mutex
	var g errgroup.Group
	for range min(4, len(names)) {
		g.Go(func() error {
			return a.readAll(next, func(copies []Copy) {
				mu.Lock()
				defer mu.Unlock()
				v.Copies = append(v.Copies, copies...)
			})
		})
	}
	return v, g.Wait()
}

func (a *Account) readAll(next <-chan string, take func([]Copy)) error {
	own, err := OpenAccount(a.addr, a.user, a.password)
	if err != nil {
		return err
	}
	defer func() { _ = own.Close() }() // all that was asked for has come by then
	for name := range next {
		copies, err := own.Read(name)
		if err != nil {
			return err
		}
		take(copies)
	}
	return nil
}

// Read reads every message of a mailbox.
func (a *Account) Read(mailbox string) ([]Copy, error) {
	return a.fetch(mailbox, &goimap.FetchItemBodySection{Peek: true})
}

// Messages lists the messages of a mailbox without reading them: their Sum is zero.
func (a *Account) Messages(mailbox string) ([]Copy, error) { return a.fetch(mailbox, nil) }

func (a *Account) fetch(mailbox string, body *goimap.FetchItemBodySection) ([]Copy, error) {
	o := &goimap.FetchOptions{UID: true, Flags: true, InternalDate: true, RFC822Size: true}
	if body != nil {
		o.BodySection = append(o.BodySection, body)
	}
	var copies []Copy
	err := a.inside(mailbox, true, func(total uint32) error {
		if total == 0 {
			return nil
		}
		cmd := a.client.Fetch(goimap.SeqSet{{Start: 1, Stop: total}}, o)
		for msg := cmd.Next(); msg != nil; msg = cmd.Next() {
			c, err := readCopy(mailbox, msg)
			if err != nil {
				return errors.Join(err, cmd.Close())
			}
			if c.UID != 0 { // a FETCH that nobody asked for
				copies = append(copies, c)
			}
		}
		if err := cmd.Close(); err != nil {
			return fmt.Errorf("fetch from %q: %w", mailbox, err)
		}
		if len(copies) != int(total) {
			return fmt.Errorf("fetch from %q: %d messages came of %d", mailbox, len(copies), total)
		}
		return nil
	})
	return copies, err
}

// inside does something in a selected mailbox, of which it gets the number of messages. The mailbox is selected anew
// each time, for a session that stays does not know what came since, and left again, for Dovecot ends a session whose
// mailbox was renamed or removed by somebody else.
func (a *Account) inside(mailbox string, readOnly bool, do func(total uint32) error) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	data, err := a.client.Select(a.wire(mailbox), &goimap.SelectOptions{ReadOnly: readOnly}).Wait()
	if err != nil {
		return fmt.Errorf("select %q: %w", mailbox, err)
	}
	err = do(data.NumMessages)
	if !a.client.Caps().Has(goimap.CapUnselect) {
		return err
	}
	if left := a.client.Unselect().Wait(); left != nil {
		err = errors.Join(err, fmt.Errorf("unselect %q: %w", mailbox, left))
	}
	return err
}

func readCopy(mailbox string, msg *imapclient.FetchMessageData) (Copy, error) {
	c := Copy{Mailbox: mailbox}
	for item := msg.Next(); item != nil; item = msg.Next() {
		switch item := item.(type) {
		case imapclient.FetchItemDataUID:
			c.UID = uint32(item.UID)
		case imapclient.FetchItemDataInternalDate:
			c.Date = item.Time
		case imapclient.FetchItemDataRFC822Size:
			c.Size = item.Size
		case imapclient.FetchItemDataFlags:
			c.Flags = joinFlags(words(item.Flags))
		case imapclient.FetchItemDataBodySection:
			if item.Literal == nil {
				return c, fmt.Errorf("fetch from %q: a body was NIL", mailbox)
			}
			sum := sha256.New()
			if _, err := io.Copy(sum, item.Literal); err != nil {
				return c, err
			}
			sum.Sum(c.Sum[:0])
		}
	}
	return c, nil
}

func words(flags []goimap.Flag) []string {
	var all []string
	for _, f := range flags {
		all = append(all, string(f))
	}
	return all
}
