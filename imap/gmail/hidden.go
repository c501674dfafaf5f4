package gmail

import (
	"slices"

	"mailtwin/imap"
	"mailtwin/mailbox"
)

// Limit is how many of its newest messages each mailbox shows; 0 means all. Then All Mail does not tell of all messages, and
// each mailbox is asked for everything.
func (a *Account) Limit() uint32 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.limit
}

// limitOf finds out the limit. No label has more messages than All Mail, so where a limit hides anything of one, All Mail has
// just as many as the limit; and where All Mail has another number, a label that has such a number has it by chance. Spam,
// Trash, and all mailboxes where All Mail is hidden, go by the largest mailbox. Of chats, STATUS counts more than are shown.
// A mailbox that shows as many messages as it ever had UIDs hides none.
func limitOf(folders map[mailbox.Name]imap.Listed) uint32 {
	own, largest := ownLevels(folders), imap.Listed{}
	for name, l := range folders {
		if l.Role == roleAll && narrow(l) {
			return l.Count
		}
		if l.Count > largest.Count && (l.Role != "" || !own[parent(name)]) {
			largest = l
		}
	}
	if narrow(largest) {
		return largest.Count
	}
	return 0
}

// narrow tells whether a mailbox may show but its newest messages.
func narrow(l imap.Listed) bool { return imap.IsWindow(l.Count) && (l.Next == 0 || l.Next-1 > l.Count) }

func foldersOf(listed []imap.Listed) map[mailbox.Name]imap.Listed {
	folders := make(map[mailbox.Name]imap.Listed, len(listed))
	for _, l := range listed {
		folders[l.Name] = l
	}
	return folders
}

// Hidden tells whether a mailbox that Gmail always has is not shown over IMAP. Nobody can remove such a one; but it gets
// another name with the account's language.
func (a *Account) Hidden(name mailbox.Name) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.isHidden(name)
}

// isHidden is Hidden. a.mu is held.
func (a *Account) isHidden(name mailbox.Name) bool {
	_, shown := a.folders[name]
	return !shown && ownLevels(a.folders)[parent(name)] && !a.isRenamed(name)
}

// ownLevels are the names, with their slash, below which Gmail's own mailboxes lie, in whatever language: there are some of
// special use.
func ownLevels(folders map[mailbox.Name]imap.Listed) map[string]bool {
	own := map[string]bool{}
	for _, l := range folders {
		if above := parent(l.Name); l.Role != "" && above != "" {
			own[above] = true
		}
	}
	return own
}

// isRenamed tells whether a mailbox that was synced has another name now. a.mu is held.
func (a *Account) isRenamed(name mailbox.Name) bool {
	at := slices.IndexFunc(a.known, func(t mailbox.Twin) bool { return t.Name == name })
	if at < 0 || a.known[at].Far.Identity == "" {
		return false
	}
	for _, l := range a.folders {
		if l.Role != "" && l.Identity == a.known[at].Far.Identity &&
			!slices.ContainsFunc(a.known, func(t mailbox.Twin) bool { return t.Name == l.Name }) {
			return true
		}
	}
	return false
}

// NoLongerShown names the mailboxes that were synced and are hidden now.
func (a *Account) NoLongerShown() (names []mailbox.Name) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, t := range a.known {
		if a.isHidden(t.Name) {
			names = append(names, t.Name)
		}
	}
	slices.Sort(names)
	return names
}

// parent is the name above a mailbox, with its slash.
func parent(name mailbox.Name) string {
	levels := name.Levels()
	if len(levels) < 2 {
		return ""
	}
	return string(mailbox.MakeName(levels[:len(levels)-1]...)) + "/"
}
