package imap

import (
	"strconv"

	"mailtwin/mailbox"
)

// Generation returns the generation of the IDs, as mailbox.Scan has it, that a cursor was taken in; empty if it does not
// say.
func (a *Account) Generation(c mailbox.Cursor) string {
	validity := readMemo(c).Validity
	if validity == 0 {
		return ""
	}
	return strconv.FormatUint(uint64(validity), 10)
}

// After tells whether an ID may have been given to a message after a cursor of its generation was taken.
//
// Source: RFC 9051, section 2.3.1.1, UIDNEXT.
func (a *Account) After(c mailbox.Cursor, id mailbox.ID) bool { return uidOf(id) >= readMemo(c).Next }
