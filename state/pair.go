package state

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"

	"mailtwin/mailbox"
)

// The first octet of a pair's key.
const (
	keyUID  = 1 // the far ID as 4 octets, so that UIDs lie in numeric order
	keyFar  = 2 // any other far ID as it is
	keyNear = 3 // no far ID: the near one
)

// pairKey returns the key of a pair.
func pairKey(p mailbox.Pair) []byte {
	if p.Far == "" {
		return append([]byte{keyNear}, p.Near...)
	}
	if n, err := strconv.ParseUint(string(p.Far), 10, 32); err == nil && strconv.FormatUint(n, 10) == string(p.Far) {
		return binary.BigEndian.AppendUint32([]byte{keyUID}, uint32(n))
	}
	return append([]byte{keyFar}, p.Far...)
}

// farOf returns the far ID that a key is made from.
func farOf(key []byte) (mailbox.ID, error) {
	switch {
	case len(key) == 5 && key[0] == keyUID:
		return mailbox.ID(strconv.FormatUint(uint64(binary.BigEndian.Uint32(key[1:])), 10)), nil
	case len(key) > 1 && key[0] == keyFar:
		return mailbox.ID(key[1:]), nil
	case len(key) > 1 && key[0] == keyNear:
		return "", nil
	}
	return "", fmt.Errorf("%w: key %x of a pair", errRecord, key)
}

// What the record says of the far digest.
const (
	farUnread = 0
	farOwn    = 1 // it follows
	farSame   = 2 // it is the near one
)

func encodePair(key []byte, p mailbox.Pair) []byte {
	e := newRecord()
	e.pair(p)
	return e.seal(key)
}

// pair writes a pair but for its far ID. Nothing may follow.
func (e *encoder) pair(p mailbox.Pair) {
	e.uint(uint64(p.Parked))
	if p.Parked == mailbox.Left {
		e.time(p.Since)
	}
	e.flags(p.Flags)
	e.int(p.Size)
	e.time(p.InternalDate)
	e.digest(p.Digest)
	switch p.FarDigest {
	case mailbox.Digest{}:
		e.uint(farUnread)
	case p.Digest:
		e.uint(farSame)
	default:
		e.uint(farOwn)
		*e = append(*e, p.FarDigest[:]...)
	}
	e.text(shorten(p))
	*e = binary.BigEndian.AppendUint64(*e, uint64(p.Hint))
	e.accountID(p.AccountID)
	if p.Stored != 0 {
		e.uint(moreStored)
		e.int(p.Stored)
	}
}

func decodePair(key, value []byte) (p mailbox.Pair, err error) {
	if p.Far, err = farOf(key); err != nil {
		return p, err
	}
	d := openRecord(key, value)
	p = d.pair(p.Far)
	if err := d.close(); err != nil {
		return mailbox.Pair{}, err
	}
	if !bytes.Equal(pairKey(p), key) {
		return mailbox.Pair{}, fmt.Errorf("%w: key %x of a pair", errRecord, key)
	}
	return p, nil
}

// pair takes off what is left as a pair of that far ID.
func (d *decoder) pair(far mailbox.ID) mailbox.Pair {
	p := mailbox.Pair{Far: far, Parked: mailbox.Parked(d.upTo(uint64(mailbox.Left)))}
	if p.Parked == mailbox.Left {
		p.Since = d.time()
	}
	p.Flags = d.flags()
	p.Size = d.int()
	p.InternalDate = d.time()
	p.Digest = d.digest()
	switch d.upTo(farSame) {
	case farOwn:
		copy(p.FarDigest[:], d.take(len(p.FarDigest)))
	case farSame:
		p.FarDigest = p.Digest
	}
	p.Near = lengthen(d.text(), p)
	if hint := d.take(8); hint != nil {
		p.Hint = mailbox.Hint(binary.BigEndian.Uint64(hint))
	}
	d.more(&p)
	return p
}

// Names of files often repeat what the rest of the pair says, so that a third of the ledger would be said twice. In
// the record an octet that no sensible name has stands for each such part; a name that has one after all follows an
// octet that says so.
const (
	verbatim = "\x01"
	partDate = "\x02" // seconds of the internal date, in decimal
	partFar  = "\x03" // the far ID
	partHash = "\x04" // the first 16 hexadecimal digits of the digest
	allMarks = verbatim + partDate + partFar + partHash
)

func nameParts(p mailbox.Pair) (date, far, hash string) {
	return strconv.FormatInt(p.InternalDate.Unix(), 10), string(p.Far), hex.EncodeToString(p.Digest[:8])
}

// shorten returns the near ID as the record holds it. The longest part goes first: a short UID may be in the others.
func shorten(p mailbox.Pair) string {
	near := string(p.Near)
	if strings.ContainsAny(near, allMarks) {
		return verbatim + near
	}
	date, far, hash := nameParts(p)
	near = strings.Replace(near, hash, partHash, 1)
	near = strings.Replace(near, date, partDate, 1)
	if far != "" {
		near = strings.Replace(near, "_"+far+"_", "_"+partFar+"_", 1)
	}
	return near
}

// lengthen undoes shorten.
func lengthen(short string, p mailbox.Pair) mailbox.ID {
	if near, is := strings.CutPrefix(short, verbatim); is {
		return mailbox.ID(near)
	}
	date, far, hash := nameParts(p)
	var b strings.Builder
	b.Grow(len(short) + len(date) + len(far) + len(hash))
	for i := range len(short) { // there may be a million: a strings.Replacer takes four times as long
		switch short[i] {
		case partDate[0]:
			b.WriteString(date)
		case partFar[0]:
			b.WriteString(far)
		case partHash[0]:
			b.WriteString(hash)
		default:
			b.WriteByte(short[i])
		}
	}
	return mailbox.ID(b.String())
}

// What may follow in a record, each after its number, in this order.
const (
	accountNumber = 1 // the account-wide id, in 64 bits, as Gmail's
	accountText   = 2 // any other
	moreStored    = 3 // how many octets the near side's copy takes
)

func (e *encoder) accountID(id string) {
	n, err := strconv.ParseUint(id, 10, 64)
	switch {
	case id == "":
	case err == nil && strconv.FormatUint(n, 10) == id:
		e.uint(accountNumber)
		*e = binary.BigEndian.AppendUint64(*e, n)
	default:
		e.uint(accountText)
		e.text(id)
	}
}

// more reads what follows.
func (d *decoder) more(p *mailbox.Pair) {
	for last := uint64(0); d.err == nil && len(d.rest) > 0; {
		kind := d.upTo(moreStored)
		if kind <= last {
			d.err = errRecord
		}
		last = max(kind, accountText) // there is one account-wide id
		switch kind {
		case accountNumber:
			if n := d.take(8); n != nil {
				p.AccountID = strconv.FormatUint(binary.BigEndian.Uint64(n), 10)
			}
		case accountText:
			p.AccountID = d.text()
		case moreStored:
			p.Stored = d.int()
		}
	}
}
