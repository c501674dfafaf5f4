package imap

import (
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
	"github.com/emersion/go-imap/v2/imapclient"

	"mailtwin/imap/imaptest"
	"mailtwin/mailbox"
)

// benchBodies is how many messages the benchmark of downloads takes; 50,000 if MAILTWIN_FULL is set.
const benchBodies = 5000

// BenchmarkBodies downloads all bodies of a mailbox of Dovecot over one connection and discards them: by go-imap alone,
// and by an Account, which is go-imap with the layer below it. The two take turns, so that their ratio holds on a noisy
// machine.
func BenchmarkBodies(b *testing.B) {
	dovecot := imaptest.Dovecot(b, imaptest.DovecotOptions{})
	user := dovecot.NewUser()
	n := benchBodies
	if os.Getenv("MAILTWIN_FULL") != "" {
		n = 50_000
	}
	ids := fillInbox(b, dovecot, user, n)
	alone, layered := newAlone(b, dovecot, user), newLayered(b, dovecot, user)
	var sum [2]time.Duration
	for b.Loop() {
		for i, download := range []func(*testing.B, []mailbox.ID) int64{alone.download, layered.download} {
			began := time.Now()
			octets := download(b, ids)
			sum[i] += time.Since(began)
			if octets != int64(n*4096) {
				b.Fatalf("%d octets came, want %d", octets, n*4096)
			}
		}
	}
	b.ReportMetric(sum[0].Seconds()/float64(b.N), "go-imap-s")
	b.ReportMetric(sum[1].Seconds()/float64(b.N), "layer-s")
	b.ReportMetric(float64(sum[1])/float64(sum[0]), "ratio")
}

func fillInbox(b *testing.B, s *imaptest.Server, user string, n int) []mailbox.ID {
	b.Helper()
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			a := imaptest.NewAccount(b, s.Addr, user, s.Password)
			for i := worker; i < n; i += 4 {
				body := fmt.Sprintf("From: a@example.org\r\nMessage-ID: <%d@example.org>\r\nSubject: %d\r\n\r\n", i, i)
				body += strings.Repeat("sixty-two letters make a line of sixty-four with their ends..\r\n", 64)
				if _, err := a.Append("INBOX", imaptest.Message{Body: []byte(body[:4096])}); err != nil {
					b.Error(err)
				}
			}
		})
	}
	wg.Wait()
	ids := make([]mailbox.ID, n)
	for i := range ids {
		ids[i] = mailbox.ID(strconv.Itoa(i + 1))
	}
	return ids
}

// alone is go-imap's client with nothing around it.
type alone struct{ client *imapclient.Client }

func newAlone(b *testing.B, s *imaptest.Server, user string) alone {
	b.Helper()
	client, err := imapclient.DialInsecure(s.Addr, nil)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = client.Close() })
	if err := client.Login(user, s.Password).Wait(); err != nil {
		b.Fatal(err)
	}
	if _, err := client.Select("INBOX", nil).Wait(); err != nil {
		b.Fatal(err)
	}
	return alone{client}
}

func (a alone) download(b *testing.B, ids []mailbox.ID) (octets int64) {
	b.Helper()
	var set goimap.UIDSet
	set.AddRange(1, goimap.UID(len(ids)))
	section := &goimap.FetchItemBodySection{Peek: true}
	cmd := a.client.Fetch(set, &goimap.FetchOptions{UID: true, BodySection: []*goimap.FetchItemBodySection{section}})
	for m := cmd.Next(); m != nil; m = cmd.Next() {
		for item := m.Next(); item != nil; item = m.Next() {
			if body, ok := item.(imapclient.FetchItemDataBodySection); ok {
				n, err := io.Copy(io.Discard, body.Literal)
				if err != nil {
					b.Fatal(err)
				}
				octets += n
			}
		}
	}
	if err := cmd.Close(); err != nil {
		b.Fatal(err)
	}
	return octets
}

// layered is what mailtwin does.
type layered struct{ account *Account }

func newLayered(b *testing.B, s *imaptest.Server, user string) layered {
	b.Helper()
	host, port, _ := strings.Cut(s.Addr, ":")
	number, err := strconv.Atoi(port)
	if err != nil {
		b.Fatal(err)
	}
	a, err := Open(context.Background(), Options{
		Host: host, Port: number, Security: Plain, User: user, Connections: 1,
		Password: func(context.Context) (string, error) { return s.Password, nil },
	})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { _ = a.Close() })
	return layered{a}
}

func (l layered) download(b *testing.B, ids []mailbox.ID) (octets int64) {
	b.Helper()
	const load = 500 // as many as the engine asks for at once
	for len(ids) > 0 {
		n := min(load, len(ids))
		err := l.account.Fetch(context.Background(), "INBOX", ids[:n], func(_ mailbox.ID, body io.Reader) error {
			n, err := io.Copy(io.Discard, body)
			octets += n
			return err
		}, func(id mailbox.ID, err error) { b.Errorf("%s: %v", id, err) })
		if err != nil {
			b.Fatal(err)
		}
		ids = ids[n:]
	}
	return octets
}
