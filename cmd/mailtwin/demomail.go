package main

import (
	"math/rand/v2"
	"slices"

	"mailtwin/imap/imaptest"
	"mailtwin/imap/imaptest/gimap"
)

// demoMessages is how many the account of the demo has.
const demoMessages = 300

// A madeUp says what an account was filled with.
type madeUp struct {
	messages, showings int // how often they show in mailboxes that are synced
	octets             int64
}

// demoLabels are how many of a hundred messages have each label.
var demoLabels = []struct {
	label string
	of100 int
}{{`\Inbox`, 35}, {"Family", 20}, {"Work", 40}, {"Work/2026", 15}, {"Räkningar", 10}, {`\Sent`, 15}, {`\Important`, 30}, {`\Draft`, 2}}

// deliverMadeUp fills an account, the same way each time.
func deliverMadeUp(server *gimap.Server) madeUp {
	rng := rand.New(rand.NewPCG(7, 7))
	for _, m := range imaptest.Sample(demoMessages, 7, imaptest.CorpusOptions{MaxSize: 100e3}) {
		var labels []string
		for _, l := range demoLabels {
			if rng.IntN(100) < l.of100 {
				labels = append(labels, l.label)
			}
		}
		server.Web().Deliver(gimap.Mail{Raw: m.Body, Labels: labels, Date: m.Date, Flags: slices.DeleteFunc(m.Flags, func(f string) bool { return f == `\Draft` })})
	}
	made := madeUp{}
	for _, m := range server.Messages() {
		made.messages++
		made.octets += int64(len(m.Raw))
		for mailbox := range m.Folders {
			if !slices.ContainsFunc(unsynced, func(use string) bool { return server.Role(use) == mailbox }) {
				made.showings++
			}
		}
	}
	return made
}
