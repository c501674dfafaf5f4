package state

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"math"
	"strings"
	"time"

	"mailtwin/mailbox"
)

// recordVersion begins every record. Records of version 1, which the first schema has, end without a checksum.
const recordVersion = 2

// sumLength is how many octets the checksum has that ends every record. It covers the key too: a bit that fell in a UID
// would tie a file to another message.
const sumLength = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(key, record []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, record)
}

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

func (e *encoder) flag(is bool) {
	if is {
		e.uint(1)
	} else {
		e.uint(0)
	}
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

// seal ends the record that belongs to a key.
func (e encoder) seal(key []byte) []byte { return binary.BigEndian.AppendUint32(e, checksum(key, e)) }

// A decoder takes them off again. After the first thing that does not fit, err is set and all else is zero.
type decoder struct {
	rest []byte
	err  error
}

func openRecord(key, p []byte) *decoder {
	if len(p) > 0 && p[0] == 1 {
		return &decoder{rest: p[1:]}
	}
	n := len(p) - sumLength
	if n < 1 || p[0] != recordVersion || checksum(key, p[:n]) != binary.BigEndian.Uint32(p[n:]) {
		return &decoder{err: errRecord}
	}
	return &decoder{rest: p[1:n]}
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
	if n <= 0 || d.err != nil {
		d.err = errRecord
		return 0
	}
	d.take(n)
	return v
}

func (d *decoder) int() int64 {
	v, n := binary.Varint(d.rest)
	if n <= 0 || d.err != nil {
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

// upTo takes a number that may not be larger than limit.
func (d *decoder) upTo(limit uint64) uint64 {
	n := d.uint()
	if n > limit {
		d.err = errRecord
		return 0
	}
	return n
}

// count takes a number of things.
func (d *decoder) count() int { return int(d.upTo(math.MaxInt32)) }

func (d *decoder) time() time.Time {
	if d.upTo(1) == 0 {
		return time.Time{}
	}
	return time.Unix(d.int(), 0).UTC()
}

func (d *decoder) flags() mailbox.Flags {
	f := mailbox.Letters(d.text())
	for word := range strings.FieldsSeq(d.text()) {
		f = f.With(mailbox.Flag(word))
	}
	return f
}

func (d *decoder) digest() (digest mailbox.Digest) {
	if d.upTo(1) == 1 {
		copy(digest[:], d.take(len(digest)))
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
	return e.seal(nil)
}

func decodeTwin(value []byte) (t mailbox.Twin, err error) {
	d := openRecord(nil, value)
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
	return e.seal([]byte(i.Near))
}

func decodeIntent(near mailbox.ID, value []byte) (mailbox.Intent, error) {
	d := openRecord([]byte(near), value)
	i := mailbox.Intent{Near: near, Digest: d.digest(), MessageID: d.text(), Size: d.int(), Attempts: int(d.uint())}
	if err := d.close(); err != nil {
		return i, fmt.Errorf("intent of %q: %w", string(near), err)
	}
	return i, nil
}
