package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"mailtwin/imap/imaptest/gimap"
)

// acts lets random things happen on both sides.
func (h *gmHistory) acts(n int) {
	h.Helper()
	for range n {
		acts := []func(){
			h.delivers, h.flagsThere, h.flagsThere, h.labels, h.labels, h.labels, h.bins, h.bins, h.changesLabels,
			h.flagsHere, h.flagsHere, h.removes, h.removes, h.moves, h.moves, h.copies, h.writes, h.changesDirs,
		}
		acts[h.rng.IntN(len(acts))]()
	}
}

func pick[T any](h *gmHistory, from []T) T { return from[h.rng.IntN(len(from))] }

// delivers delivers a message.
func (h *gmHistory) delivers() {
	h.made++
	var labels []string
	for _, l := range h.userLabels() {
		if h.rng.IntN(2) == 0 {
			labels = append(labels, l)
		}
	}
	h.deliver(gmMail(h.made), labels...)
	h.say("web delivers %d, %q", h.made, labels)
}

// userLabels are INBOX and the labels that there are.
func (h *gmHistory) userLabels() []string {
	labels := []string{`\Inbox`}
	for _, f := range h.g.Folders() {
		if f.Use == "" {
			labels = append(labels, f.Name)
		}
	}
	return labels
}

// message picks one on Gmail.
func (h *gmHistory) message() gimap.Message { return pick(h, h.g.Messages()) }

func (h *gmHistory) flagsThere() {
	m, flag := h.message(), pick(h, []string{`\Seen`, `\Flagged`, `\Answered`, "$Forwarded"})
	if slices.Contains(m.Flags, flag) {
		h.web.Flag(m.ID, nil, []string{flag})
	} else {
		h.web.Flag(m.ID, []string{flag}, nil)
	}
	h.say("web turns %s of %s", flag, gmNumber(m.Raw))
}

func (h *gmHistory) labels() {
	m, l := h.message(), pick(h, h.userLabels())
	if m.Trash || m.Spam {
		return
	}
	if slices.Contains(m.Labels, l) {
		h.unlabelled[gmNumber(m.Raw)] = true
		h.web.Label(m.ID, nil, []string{l})
	} else {
		h.web.Label(m.ID, []string{l}, nil)
	}
	h.say("web turns label %s of %s", l, gmNumber(m.Raw))
}

// bins moves a message to Trash or Spam, or back, or out of there for good.
func (h *gmHistory) bins() {
	m := h.message()
	n := gmNumber(m.Raw)
	switch {
	case m.Trash && h.rng.IntN(3) == 0:
		h.lost[n] = true
		h.web.Destroy(m.ID)
		h.say("web destroys %s", n)
	case m.Trash || m.Spam:
		h.twice[n] = h.twice[n] || h.binned[n] // if it was put there by hand, it may be elsewhere as well
		h.web.Restore(m.ID)
		h.say("web restores %s", n)
	case h.rng.IntN(3) == 0:
		h.web.Spam(m.ID)
		h.say("web calls %s spam", n)
	default:
		h.web.Trash(m.ID)
		h.say("web trashes %s", n)
	}
	h.gone[n] = true
}

var gmDirs = []string{"A", "A/B", "Ö", "Work/X"}

// changesLabels makes, renames or drops a label.
func (h *gmHistory) changesLabels() {
	labels := h.userLabels()[1:]
	to := pick(h, gmDirs)
	taken := slices.Contains(labels, to)
	if len(labels) == 0 || h.rng.IntN(3) == 0 {
		if !taken {
			h.web.MakeLabel(to)
			h.say("web makes the label %s", to)
		}
		return
	}
	from := pick(h, labels)
	if h.rng.IntN(3) == 0 {
		h.web.DropLabel(from)
		h.say("web drops the label %s", from)
	} else if !taken {
		h.web.RenameLabel(from, to)
		h.say("web renames the label %s to %s", from, to)
	}
}

// dirs are the mailboxes of the Maildir.
func (h *gmHistory) dirs() []string {
	var dirs []string
	for _, pattern := range []string{"*", "*/*", "*/*/*"} {
		found, err := filepath.Glob(filepath.Join(h.maildir(), pattern, "cur"))
		h.must(err)
		for _, path := range found {
			rel, _ := filepath.Rel(h.maildir(), filepath.Dir(path))
			dirs = append(dirs, rel)
		}
	}
	slices.Sort(dirs)
	return dirs
}

// aFile picks a file of the Maildir, and tells the number of its message; none if there is none.
func (h *gmHistory) aFile() (path, box, number string) {
	dirs := h.dirs()
	if len(dirs) == 0 {
		return "", "", ""
	}
	box = pick(h, dirs)
	files := h.files(box)
	if len(files) == 0 {
		return "", "", ""
	}
	path = pick(h, files)
	text, err := os.ReadFile(path)
	h.must(err)
	return path, box, gmNumber(text)
}

func (h *gmHistory) flagsHere() {
	path, box, n := h.aFile()
	if path == "" {
		return
	}
	base, now, _ := strings.Cut(filepath.Base(path), ":2,")
	letter := pick(h, []string{"S", "S", "F", "P", "R"})
	letters := ""
	for _, l := range "DFPRS" {
		if strings.ContainsRune(now, l) != (letter == string(l)) {
			letters += string(l)
		}
	}
	h.must(os.Rename(path, filepath.Join(h.maildir(), box, "cur", base+":2,"+letters)))
	h.say("here %s in %s gets the flags %q", n, box, letters)
}

func isBin(box string) bool { return box == gmTrash || box == gmNames["Spam"] }

// takes notes that somebody took a message away from a mailbox of the Maildir.
func (h *gmHistory) takes(number, box string) {
	h.gone[number] = true
	if !slices.ContainsFunc(h.g.Messages(), func(m gimap.Message) bool { return gmNumber(m.Raw) == number }) {
		h.lost[number] = true // it was nowhere but here
	}
	if h.policy == "expunge" || isBin(box) {
		h.lost[number] = true
	}
}

func (h *gmHistory) removes() {
	path, box, n := h.aFile()
	if path == "" {
		return
	}
	h.takes(n, box)
	h.must(os.Remove(path))
	h.say("here removes %s from %s", n, box)
}

func (h *gmHistory) moves() {
	path, box, n := h.aFile()
	if path == "" {
		return
	}
	to := pick(h, h.dirs())
	if to == box {
		return
	}
	if h.moved[n] = true; isBin(box) || isBin(to) {
		h.gone[n], h.binned[n] = true, true
		h.lost[n] = h.lost[n] || isBin(box) // should it be removed from there, too
	}
	if h.policy == "never" {
		h.gone[n] = true // if it is in the other mailbox already, to move it there is to remove it
	}
	h.must(os.Rename(path, h.fresh(to, letters(path))))
	h.say("here moves %s from %s to %s", n, box, to)
}

// fresh is a path for a new file.
func (h *gmHistory) fresh(box, letters string) string {
	return filepath.Join(h.maildir(), box, "cur", fmt.Sprintf("f%d.x:2,%s", h.rng.IntN(1e9), letters))
}

func (h *gmHistory) copies() {
	path, box, n := h.aFile()
	if path == "" {
		return
	}
	to := pick(h, h.dirs())
	if to == box {
		return
	}
	if isBin(box) || isBin(to) {
		h.gone[n], h.twice[n] = true, true
	}
	text, err := os.ReadFile(path)
	h.must(err)
	h.must(os.WriteFile(h.fresh(to, letters(path)), text, 0o600))
	h.say("here copies %s from %s to %s", n, box, to)
}

// writes writes a new message into some mailboxes.
func (h *gmHistory) writes() {
	dirs := h.dirs()
	if len(dirs) == 0 {
		return
	}
	h.made++
	n := strconv.Itoa(h.made)
	first := h.rng.IntN(len(dirs))
	for i, box := range dirs {
		if i != first && h.rng.IntN(4) > 0 {
			continue
		}
		if isBin(box) {
			h.gone[n], h.twice[n] = true, true
		}
		h.must(os.WriteFile(h.fresh(box, ""), []byte(strings.ReplaceAll(gmMail(h.made), "\r\n", "\n")), 0o600))
		h.say("here writes %s in %s", n, box)
	}
}

// changesDirs makes, renames or removes a directory.
func (h *gmHistory) changesDirs() {
	dirs := h.dirs()
	if len(dirs) == 0 {
		return
	}
	own := slices.DeleteFunc(slices.Clone(dirs), func(d string) bool { return d == "INBOX" || strings.HasPrefix(d, "[") })
	to := pick(h, gmDirs)
	root := filepath.Join(h.maildir(), to)
	_, err := os.Lstat(root)
	free := err != nil
	if len(own) == 0 || h.rng.IntN(3) == 0 {
		if free {
			h.here(0, "mkdir", []string{to})
			h.say("here makes %s", to)
		}
		return
	}
	from := pick(h, own)
	below := slices.ContainsFunc(dirs, func(d string) bool { return strings.HasPrefix(d, from+"/") })
	switch {
	case below:
	case h.rng.IntN(3) == 0:
		for _, path := range h.files(from) {
			text, err := os.ReadFile(path)
			h.must(err)
			h.takes(gmNumber(text), from)
		}
		h.here(0, "rmdir", []string{from})
		h.say("here removes %s", from)
	case free && !strings.HasPrefix(to, from+"/"):
		h.here(0, "mvdir", []string{from, to})
		h.say("here renames %s to %s", from, to)
	}
}
