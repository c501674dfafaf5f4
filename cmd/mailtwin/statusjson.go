package main

import (
	"time"

	"mailtwin/mailbox"
	"mailtwin/syncer"
)

// The shapes of status --json. A moment that never was is null.
type (
	statusJSON struct {
		Account   string        `json:"account"`
		Maildir   string        `json:"maildir"`
		State     string        `json:"state"`
		Process   int           `json:"process,omitempty"`
		Last      *runJSON      `json:"last_run"`
		Attic     atticJSON     `json:"attic"`
		Quota     *quotaJSON    `json:"quota"` // null: there is no limit
		Mailboxes []mailboxJSON `json:"mailboxes"`
		Troubles  []troubleJSON `json:"left_behind"`
	}
	runJSON struct {
		Began      *time.Time     `json:"began"`
		Ended      *time.Time     `json:"ended"`
		ExitStatus int            `json:"exit_status"`
		Error      string         `json:"error,omitempty"`
		Downloaded int            `json:"downloaded"`
		Uploaded   int            `json:"uploaded"`
		Removed    map[string]int `json:"removed"`
		Left       int            `json:"left_behind"`
	}
	atticJSON struct {
		Path     string `json:"path"`
		Messages int    `json:"messages"`
		Bytes    int64  `json:"bytes"`
	}
	quotaJSON struct {
		Received int64     `json:"received_bytes"`
		Down     int64     `json:"received_limit"` // 0: none
		Sent     int64     `json:"sent_bytes"`
		Up       int64     `json:"sent_limit"`
		Until    time.Time `json:"until"`
	}
	mailboxJSON struct {
		Mailbox  string     `json:"mailbox"`
		Messages int        `json:"messages"`
		Waiting  int        `json:"waiting"`
		Synced   *time.Time `json:"synced"`
	}
	troubleJSON struct {
		Mailbox string     `json:"mailbox"`
		Message string     `json:"message,omitempty"`
		Error   string     `json:"error"`
		Since   *time.Time `json:"since"`
		Last    *time.Time `json:"last_try"`
		Tries   int        `json:"tries"`
		Next    *time.Time `json:"next_try"` // null: in the next run
	}
)

func (env *environment) printStatusJSON(a *account, k known) error {
	out := statusJSON{
		Account: a.name, Maildir: a.Maildir, State: a.State, Process: k.writer,
		Attic: atticJSON{a.attic(), k.shelved, k.octets}, Quota: env.quotaJSON(a, k), Mailboxes: []mailboxJSON{}, Troubles: []troubleJSON{},
	}
	if run, ok := k.last(); ok {
		out.Last = lastRun(run)
	}
	for _, t := range k.twins {
		out.Mailboxes = append(out.Mailboxes, mailboxJSON{string(t.Name), t.Pairs - t.Open, k.waiting(t), moment(k.agreed(t))})
	}
	for _, t := range k.troubles {
		out.Troubles = append(out.Troubles, troubleJSON{
			Mailbox: string(t.Mailbox), Message: string(t.ID), Error: usersWords.Replace(t.Reason),
			Since: moment(t.Since), Last: moment(t.Last), Tries: t.Tries, Next: moment(t.Next),
		})
	}
	line, err := jsonLine(out)
	if err != nil {
		return err
	}
	env.print("%s", line)
	return nil
}

func (env *environment) quotaJSON(a *account, k known) *quotaJSON {
	today := readTraffic(k.traffic, env.clock())
	limits := a.limits(today.gmail)
	if k.traffic == "" || limits == [2]int64{} {
		return nil
	}
	return &quotaJSON{
		Received: today.had[syncer.Far], Down: limits[syncer.Far], Sent: today.had[syncer.Near], Up: limits[syncer.Near],
		Until: tomorrow(env.clock()),
	}
}

func lastRun(run mailbox.Outcome) *runJSON {
	return &runJSON{
		Began: moment(run.Began), Ended: moment(run.Ended), ExitStatus: run.Status, Error: usersWords.Replace(run.Error),
		Downloaded: run.Downloaded, Uploaded: run.Uploaded, Removed: bySide(run.Removed), Left: run.Left,
	}
}

func moment(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}
