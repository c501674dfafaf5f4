package syncer

import (
	"slices"

	"mailtwin/mailbox"
)

// A Report says what a run did, or, for a dry run, what it would do.
type Report struct {
	Mailboxes []*Counts // those in which something happened, INBOX first
	Problems  []error   // what was left behind, with its reason: *mailbox.MessageError, *mailbox.MailboxError
	// Behind are the mailboxes of the far side in which something was left undone; nil, too, if nobody knows which.
	Behind  []mailbox.Name
	Settled bool // of what happened on the far side, in the mailboxes that the run was about, nothing has to be looked for again
	Looked  int  // how many mailboxes the run was about
	// Waiting is what former runs left behind and what it was not yet time to try again.
	Waiting []mailbox.Trouble

	byName map[mailbox.Name]*Counts
}

// Counts says what happened in one mailbox.
type Counts mailbox.Counts

// Idle tells whether nothing happened in the mailbox.
func (c Counts) Idle() bool {
	c.Mailbox, c.NotChosen = "", 0
	return c == Counts{}
}

func newReport() *Report { return &Report{byName: map[mailbox.Name]*Counts{}} }

// mailbox returns the line of a mailbox.
func (r *Report) mailbox(name mailbox.Name) *Counts {
	c := r.byName[name]
	if c == nil {
		c = &Counts{Mailbox: name}
		r.byName[name] = c
		at, _ := slices.BinarySearchFunc(r.Mailboxes, name, func(c *Counts, name mailbox.Name) int {
			return compareNames(c.Mailbox, name)
		})
		r.Mailboxes = slices.Insert(r.Mailboxes, at, c)
	}
	return c
}

// Total adds up all mailboxes.
func (r *Report) Total() Counts {
	var t Counts
	for _, c := range r.Mailboxes {
		t.add(c)
	}
	return t
}

// add counts the messages of another line, too.
func (c *Counts) add(o *Counts) {
	c.Downloaded += o.Downloaded
	c.DownloadedSize += o.DownloadedSize
	c.Uploaded += o.Uploaded
	c.UploadedSize += o.UploadedSize
	c.Adopted += o.Adopted
	c.Unlabelled += o.Unlabelled
	c.Trashed += o.Trashed
	c.Left += o.Left
	c.NotChosen += o.NotChosen
	c.Kept += o.Kept
	c.Marked += o.Marked
	for side := range 2 {
		c.Copied[side] += o.Copied[side]
		c.Moved[side] += o.Moved[side]
		c.Flagged[side] += o.Flagged[side]
		c.Removed[side] += o.Removed[side]
	}
}

// Include counts what an attempt did, too, that ended before its time and was begun anew.
func (r *Report) Include(attempt *Report) {
	for _, o := range attempt.Mailboxes {
		c := r.mailbox(o.Mailbox)
		c.add(o)
		for side := range 2 {
			c.Created[side] = c.Created[side] || o.Created[side]
			c.Deleted[side] = c.Deleted[side] || o.Deleted[side]
		}
		if c.Renamed == "" {
			c.Renamed = o.Renamed
		}
	}
}

// Idle tells whether the run had nothing to do and left nothing behind.
func (r *Report) Idle() bool {
	return len(r.Problems) == 0 && !slices.ContainsFunc(r.Mailboxes, func(c *Counts) bool { return !c.Idle() })
}

// plan counts what the jobs' steps would do.
func (r *Report) plan(a *applier, jobs []*job) {
	for _, j := range jobs {
		if j.failed[Far] || j.failed[Near] {
			continue
		}
		c := j.planned()
		c.Mailbox = j.name
		if before := r.byName[j.name]; before != nil {
			c.Renamed = before.Renamed
		}
		if a.opts.DeleteRemote == Never {
			c.Kept = removals(j.steps.Remove[Far])
			c.Removed[Far] -= c.Kept
			c.Deleted[Far] = false
		}
		c.fated(a, j)
		if a.opts.DeleteRemote == Trash && j.name != a.view.trash {
			c.Trashed = c.Removed[Far] - c.Unlabelled
		}
		if !c.Idle() {
			*r.mailbox(j.name) = c
		}
	}
}

// fated counts removals on a far side where a message can be in several mailboxes.
func (c *Counts) fated(a *applier, j *job) {
	for _, change := range j.steps.Remove[Far] {
		if a.opts.DeleteRemote == Never && !change.Moved {
			continue
		}
		switch a.fates[mailbox.Place{Mailbox: j.name, ID: change.Pair.Far}] {
		case goes:
		case leaves:
			c.Unlabelled++
		case follows:
			c.Removed[Far]--
		case returns:
			c.Removed[Far]--
			c.Copied[Near]++
		}
	}
}

func (j *job) planned() Counts {
	s := j.steps
	c := Counts{Removed: [2]int{Near: len(s.Extra)}, Downloaded: len(s.Download), Uploaded: len(s.Upload), Copied: [2]int{Far: len(s.Again), Near: len(s.Link)}}
	for _, a := range s.Download {
		c.DownloadedSize += a.Size
	}
	for _, p := range s.Leave {
		c.leave(p)
	}
	for _, a := range s.Upload {
		c.UploadedSize += a.Size
	}
	for _, a := range s.Agree {
		c.agreed(a)
	}
	for _, m := range s.Relocate {
		if m.Pair != nil {
			c.Moved[m.Side]++
		} else {
			c.Copied[m.Side]++
		}
	}
	for _, side := range []Side{Far, Near} {
		c.Removed[side] += len(s.Remove[side])
		c.Created[side] = j.creates(side)
		c.Deleted[side] = j.deletes(side)
	}
	return c
}

// leave counts what the near side keeps and the far side had before.
func (c *Counts) leave(p mailbox.Pair) {
	if p.Far != "" {
		c.Left++
	}
}

// agreed counts an agreement.
func (c *Counts) agreed(a Agreement) {
	for _, side := range []Side{Far, Near} {
		if a.changes(side) {
			c.Flagged[side]++
		}
	}
	if a.New {
		c.Adopted++
	}
}

func (r *Report) rename(n rename) { r.mailbox(n.to).Renamed = n.from }
