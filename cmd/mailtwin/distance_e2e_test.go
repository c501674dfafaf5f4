package main

import (
	"fmt"
	"os/exec"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
)

// distance is the round trip of the benchmarks that have one.
const distance = 40 * time.Millisecond

// BenchmarkDistance measures whole runs without and with a round trip of 40 ms: the first download and one upload of
// 4 KiB messages in one mailbox and in a hundred. What a run costs that has nothing to do is the price of the logins.
func BenchmarkDistance(b *testing.B) {
	dovecot := imaptest.Dovecot(b, imaptest.DovecotOptions{})
	program := build(b)
	n := size(benchMessages, 100_000)
	for _, boxes := range []int{1, 100} {
		b.Run(fmt.Sprintf("%d messages in %d mailboxes", n, boxes), func(b *testing.B) {
			full, empty := dovecot.NewUser(), dovecot.NewUser
			fillEvenly(b, dovecot, full, n, boxes)
			for b.Loop() {
				took := map[time.Duration]usage{}
				for _, latency := range []time.Duration{0, distance} {
					down := atDistance(b, dovecot, full, latency)
					took[latency] = down.sync(b, program, "download")
					time.Sleep(2500 * time.Millisecond) // directories that changed just now are read again
					down.sync(b, program, "")
					down.sync(b, program, "idle")
					down.compare(b, took, "download")
				}
				for _, latency := range []time.Duration{0, distance} {
					up := atDistance(b, dovecot, empty(), latency)
					up.sync(b, program, "")
					up.deliver(b, n, boxes)
					took[latency] = up.sync(b, program, "upload")
					up.compare(b, took, "upload")
				}
			}
		})
	}
}

// A distant twin is one whose server is so far away.
type distantTwin struct {
	*twin
	latency time.Duration
}

func atDistance(b *testing.B, s *imaptest.Server, user string, latency time.Duration) distantTwin {
	b.Helper()
	w := newTwin(b, server{addr: s.Addr, user: user, password: s.Password, profile: imaptest.All})
	w.proxy.Set(imaptest.ProxyOptions{Latency: latency})
	return distantTwin{w, latency}
}

// sync runs the program and reports what it took, with a name for it.
func (w distantTwin) sync(b *testing.B, program, what string) usage {
	b.Helper()
	w.proxy.Reset()
	u := measure(b, exec.CommandContext(b.Context(), program, "sync", "--config", w.config))
	if what != "" {
		what = fmt.Sprintf("%s-%dms", what, w.latency.Milliseconds())
		b.ReportMetric(u.wall.Seconds(), what+"-s")
		b.ReportMetric(float64(w.proxy.Stats().RoundTrips), what+"-trips")
	}
	return u
}

func (w distantTwin) compare(b *testing.B, took map[time.Duration]usage, what string) {
	b.Helper()
	if w.latency > 0 {
		b.ReportMetric(took[w.latency].wall.Seconds()/took[0].wall.Seconds(), what+"-ratio")
	}
}

// deliver puts messages into the Maildir.
func (w distantTwin) deliver(b *testing.B, n, boxes int) {
	b.Helper()
	for box := range boxes {
		name := fmt.Sprintf("Box %d", box)
		w.must(w.tree.Create(name))
		for i := range n / boxes {
			_, err := w.tree.Deliver(name, mailOf(box*n+i, 9000))
			w.must(err)
		}
	}
}
