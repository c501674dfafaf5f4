package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"mailtwin/mailbox"
)

// recordVersion begins every record.
const recordVersion = 1

var errRecord = errors.New("record cannot be read")

// An encoder appends the fields of a record.
type encoder []byte

func newRecord() encoder { return encoder{recordVersion} }

func (e *encoder) uint(n uint64) { *e = binary.AppendUvarint(*e, n) }
func (e *encoder) int(n int64)   { *e = binary.AppendVarint(*e, n) }
func (e *encoder) text(s string) {
	e.uint(uint64(len(s)))
	*e = append(*e, s...)
}

func (e *encoder) time(t time.Time) {
	if t.IsZero() {
		e.uint(0)
		return
	}
	e.uint(1)
	e.int(t.Unix())
}

func (e *encoder) flags(f mailbox.Flags) {
	e.text(f.Letters())
	var words []string
	for _, k := range f.Keywords() {
		words = append(words, string(k))
	}
	e.text(strings.Join(words, " "))
}

// A decoder takes them off again. After the first thing that does not fit, err is set and all else is zero.
type decoder struct {
	rest []byte
	err  error
}

func openRecord(p []byte) *decoder {
	if len(p) == 0 || p[0] != recordVersion {
		return &decoder{err: errRecord}
	}
	return &decoder{rest: p[1:]}
}

func (d *decoder) take(n int) []byte {
	if d.err != nil || n < 0 || n > len(d.rest) {
		d.err = errRecord
		return nil
	}
	p := d.rest[:n]
	d.rest = d.rest[n:]
	return p
}

func (d *decoder) uint() uint64 {
	v, n := binary.Uvarint(d.rest)
	if n <= 0 {
		d.err = errRecord
		return 0
	}
	d.take(n)
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 {
		d.err = errRecord
		return 0
	}
	d.take(n)
	return v
}

func (d *decoder) text() string {
	n := d.uint()
	if n > uint64(len(d.rest)) {
		d.err = errRecord
		return ""
	}
	return string(d.take(int(n)))
}

func (d *decoder) time() time.Time {
	switch d.uint() {
	case 0:
	case 1:
		return time.Unix(d.int(), 0)
	default:
		d.err = errRecord
	}
	return time.Time{}
}

func (d *decoder) flags() mailbox.Flags {
	f := mailbox.Letters(d.text())
	for word := range strings.FieldsSeq(d.text()) {
		f = f.With(mailbox.Flag(word))
	}
	return f
}

func (d *decoder) digest() (digest mailbox.Digest) {
	switch d.uint() {
	case 0:
	case 1:
		copy(digest[:], d.take(len(digest)))
	default:
		d.err = errRecord
	}
	return digest
}

func (e *encoder) digest(digest mailbox.Digest) {
	if digest.IsZero() {
		e.uint(0)
		return
	}
	e.uint(1)
	*e = append(*e, digest[:]...)
}

// close returns the first error; octets that are left over are one.
func (d *decoder) close() error {
	if d.err == nil && len(d.rest) > 0 {
		d.err = errRecord
	}
	return d.err
}

// pairKey returns the key of a pair.
func pairKey(p mailbox.Pair) []byte {
	if n, err := strconv.ParseUint(string(p.Far), 10, 32); err == nil && strconv.FormatUint(n, 10) == string(p.Far) {
		return binary.BigEndian.AppendUint32([]byte{1}, uint32(n))
	}
	return append([]byte{2}, p.Far...)
}

func farOf(key []byte) (mailbox.ID, error) {
	switch {
	case len(key) == 5 && key[0] == 1:
		return mailbox.ID(strconv.FormatUint(uint64(binary.BigEndian.Uint32(key[1:])), 10)), nil
	case len(key) > 1 && key[0] == 2:
		return mailbox.ID(key[1:]), nil
	}
	return "", errRecord
}

func encodePair(p mailbox.Pair) []byte {
	e := newRecord()
	e.uint(uint64(p.Parked))
	e.text(string(p.Near))
	e.flags(p.Flags)
	e.int(p.Size)
	e.time(p.InternalDate)
	e.digest(p.Digest)
	far := p.FarDigest
	if far == p.Digest {
		far = mailbox.Digest{}
	}
	e.digest(far)
	e = binary.BigEndian.AppendUint64(e, uint64(p.Hint))
	return e
}

func decodePair(key, value []byte) (p mailbox.Pair, err error) {
	if p.Far, err = farOf(key); err != nil {
		return p, err
	}
	d := openRecord(value)
	p.Parked = mailbox.Parked(d.uint())
	p.Near = mailbox.ID(d.text())
	p.Flags = d.flags()
	p.Size = d.int()
	p.InternalDate = d.time()
	p.Digest = d.digest()
	p.FarDigest = d.digest()
	if hint := d.take(8); hint != nil {
		p.Hint = mailbox.Hint(binary.BigEndian.Uint64(hint))
	}
	if p.Parked > mailbox.Kept {
		d.err = errRecord
	}
	return p, d.close()
}

// A twin is the record of a mailbox, without its name.
func encodeTwin(name mailbox.Name, t mailbox.Twin) []byte {
	e := newRecord()
	e.text(string(name))
	for _, h := range []mailbox.Half{t.Far, t.Near} {
		e.text(h.Cursor.Mark)
		e.text(h.Cursor.Memo)
		e.text(h.Identity)
	}
	e.uint(uint64(t.Pairs))
	e.uint(uint64(t.Open))
	e.time(t.Synced)
	return e
}

func decodeTwin(value []byte) (t mailbox.Twin, err error) {
	d := openRecord(value)
	t.Name = mailbox.Name(d.text())
	for _, h := range []*mailbox.Half{&t.Far, &t.Near} {
		h.Cursor.Mark, h.Cursor.Memo, h.Identity = d.text(), d.text(), d.text()
	}
	t.Pairs, t.Open = int(d.uint()), int(d.uint())
	t.Synced = d.time()
	return t, d.close()
}

func encodeIntent(i mailbox.Intent) []byte {
	e := newRecord()
	e.digest(i.Digest)
	e.text(i.MessageID)
	e.int(i.Size)
	e.uint(uint64(i.Attempts))
	return e
}

func decodeIntent(near mailbox.ID, value []byte) (mailbox.Intent, error) {
	d := openRecord(value)
	i := mailbox.Intent{Near: near, Digest: d.digest(), MessageID: d.text(), Size: d.int(), Attempts: int(d.uint())}
	if err := d.close(); err != nil {
		return i, fmt.Errorf("intent of %q: %w", string(near), err)
	}
	return i, nil
}
