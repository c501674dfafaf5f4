package imap

import "mailtwin/mailbox"

// A server gives UIDs in ascending order. One that it names as that of a new message and that was given before is the
// UID of something else: some servers are mistaken, and some make one of two messages that are the same.
//
// Source: RFC 9051, section 2.3.1.1.

// given returns the highest UID of a mailbox that is known to be taken. 0 means that nothing is known.
func (a *Account) given(name mailbox.Name) uint32 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.taken[name]
}

// give notes that UIDs up to this one are taken. a.mu is held.
func (a *Account) give(name mailbox.Name, uid uint32) { a.taken[name] = max(a.taken[name], uid) }

// learn notes the UIDVALIDITY of a mailbox and the UID that it gives next; 0 if it did not say. a.mu is held.
func (a *Account) learn(name mailbox.Name, validity, next uint32) {
	if a.validity[name] != validity {
		delete(a.taken, name)
	}
	a.validity[name] = validity
	if next != 0 {
		a.give(name, next-1)
	}
}

// isValid tells whether UIDs of this validity are those that are known of the mailbox.
func (a *Account) isValid(name mailbox.Name, validity uint32) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	known, ok := a.validity[name]
	if !ok {
		a.validity[name] = validity
	}
	return !ok || known == validity
}

// arrivals tells whether messages can have been stored as a COPYUID says, whose sets ascend.
func (a *Account) arrivals(name mailbox.Name, c copied, before uint32) bool {
	first, last := uint32(c.dest[0].Start), uint32(c.dest[len(c.dest)-1].Stop)
	return a.arrival(name, c.validity, first, before) != "" && a.arrival(name, c.validity, last, before) != ""
}

// arrival returns the ID of a message that was stored under a UID after `before` was the highest one taken; none if
// that cannot be.
func (a *Account) arrival(name mailbox.Name, validity, uid, before uint32) mailbox.ID {
	if uid <= before || !a.isValid(name, validity) {
		return ""
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.give(name, uid)
	return idOf(uid)
}
