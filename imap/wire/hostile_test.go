package wire

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	goimap "github.com/emersion/go-imap/v2"
)

// S22: of a body that is refused for its size nothing is read as protocol, whatever it says.
func TestS22RefusedBody(t *testing.T) {
	c, client, _ := dial(t, Options{MaxMessage: 100}, answers{"UID FETCH": "* 1 FETCH (UID 7 BODY[] {101}\r\n\r\n%s OK done\r\n* 1 EXPUNGE\r\n* 2 EXISTS\r\n%s OK done\r\nT1 OK done\r\n"})
	var kinds []string
	status, err := c.Exec(context.Background(), func(r *Response) error {
		kinds = append(kinds, r.Kind)
		if r.Kind != "FETCH" {
			return nil
		}
		_, err := r.Fetch(nil)
		return err
	}, Cmd("UID FETCH").Raw("7 BODY.PEEK[]"))
	if bound := new(BoundError); !errors.As(err, &bound) || !slices.Equal(kinds, []string{"FETCH"}) || status != nil {
		t.Errorf("%q, %v, %v", kinds, status, err)
	}
	if err := client.Noop().Wait(); err == nil {
		t.Error("the connection lives on")
	}
}

// S23: parentheses without end, wherever they stand, asked for or not, end at most the connection, and at once.
func TestS23NestingEverywhere(t *testing.T) {
	deep := strings.Repeat("(", 300_000)
	for _, line := range []string{
		"* 1 FETCH (BODYSTRUCTURE " + deep, "* 1 FETCH (ENVELOPE " + deep, "* 1 FETCH " + deep, "* 1 FETCH (X " + deep, "* 1 FETCH (FLAGS " + deep, "* 1 FETCH (BODY[" + deep,
		"* 1 FETCH (MODSEQ " + deep, "* LIST " + deep, "* LIST () NIL A (X " + deep, "* STATUS A (MESSAGES " + deep, "* STATUS A " + deep, "* SEARCH " + deep, "* ESEARCH " + deep,
		"* ESEARCH ALL " + deep, "* OK [" + deep, "* OK [PERMANENTFLAGS " + deep, "* FLAGS " + deep, "* CAPABILITY " + deep, "* ENABLED " + deep, "* WHAT " + deep, deep, "+ " + deep,
		"%s OK [COPYUID " + deep, "* NAMESPACE " + deep, "* VANISHED " + deep,
	} {
		c, client, _ := dial(t, Options{}, answers{"NOOP": line + "\r\n%s OK\r\n", "SELECT": line + "\r\n%s OK\r\n"})
		began := time.Now()
		_, err := c.Exec(context.Background(), func(r *Response) error {
			var err error
			switch r.Kind {
			case "FETCH":
				_, err = r.Fetch(nil)
			case "LIST":
				_, err = r.List()
			case "STATUS":
				_, err = r.StatusData()
			case "SEARCH", "ESEARCH":
				_, err = r.Search()
			}
			return err
		}, Cmd("NOOP"))
		if c.Err() == nil {
			_, _ = client.Select("INBOX", nil).Wait() // it may live or die
		}
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("%.30s took %v, %v", line, took, err)
		}
	}
}

// S24: sets that go to the last number there is, or that hold half a million numbers in descending order, cost neither
// time nor memory wherever they stand.
func TestS24Everywhere(t *testing.T) {
	var falling strings.Builder
	for i := 500_000; i > 1; i-- {
		fmt.Fprintf(&falling, "%d,", 2*i)
	}
	for _, set := range []string{"1:4294967295", "4294967295", "4294967295:1", falling.String() + "1"} {
		limit := 100 * time.Millisecond
		if len(set) > 100 {
			limit = 2 * time.Second // to send and sort it
		}
		for _, said := range []string{
			"* VANISHED " + set + "\r\n* VANISHED (EARLIER) " + set + "\r\n%s OK\r\n", "* ESEARCH (TAG \"%s\") UID COUNT 1 ALL " + set + "\r\n%s OK\r\n",
			"* OK [COPYUID 7 " + set[:min(len(set), 500_000)] + " 1] x\r\n%s OK [COPYUID 7 1 " + set[:min(len(set), 500_000)] + "] x\r\n",
		} {
			c, client, _ := dial(t, Options{}, answers{"UID COPY": said, "UID SEARCH": said})
			before, began := memory(), time.Now()
			for _, do := range []func() error{
				func() error {
					data, err := client.Copy(goimap.UIDSetNum(1), "A").Wait()
					return alright(len(data.DestUIDs) == 0, err)
				},
				func() error {
					_, err := c.Exec(context.Background(), func(r *Response) error {
						if r.Kind != "ESEARCH" {
							return nil
						}
						s, err := r.Search()
						return alright(s.All.Contains(4294967295) || s.All.Contains(4), err)
					}, Cmd("UID SEARCH").Raw("ALL"))
					return err
				},
			} {
				if err := do(); err != nil {
					t.Errorf("%.40q: %v", said, err)
				}
			}
			took, grown := time.Since(began), memory()-before
			if took > limit+time.Second || grown > 32<<20 { // a second more, for a machine that is busy
				t.Errorf("%.40q took %v and %d octets", said, took, grown)
			}
		}
	}
}

func alright(fine bool, err error) error {
	if err == nil && !fine {
		return errors.New("that was not what was said")
	}
	return err
}
