package state

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"os"
)

// The page format of bbolt, version 2, in the byte order of the machine. A page begins with its number (8 octets),
// kind (2), count of elements (2) and overflow (4): how many more pages it goes on for. Elements follow, 16 octets
// each. In a branch: where the key lies (4, counted from the element), its length (4), the page below (8). In a leaf:
// kind (4), where the key lies (4), lengths of key and value (4 each); the value stands behind the key. A bucket is a
// value of root page (8) and sequence (8); if the root is 0 its one page follows.
//
// Source: go.etcd.io/bbolt v1.5.0, internal/common.
const (
	pageHead    = 16
	elementSize = 16
	bucketHead  = 16
	metaSize    = 64

	kindBranch = 0x01
	kindLeaf   = 0x02
	kindFree   = 0x10

	leafIsBucket = 0x01

	boltMagic   = 0xed0cdaed
	boltVersion = 2
	noFreelist  = 1<<64 - 1
	manyFree    = 0xffff // as count: the first number says how many
	maxPageSize = 1 << 24
	firstPage   = 2 // the pages before hold the metas
)

var order = binary.NativeEndian

// A pageWalk goes over the pages of a bbolt file and sees whether they hang together. bbolt itself believes what they
// say: a wrong overflow or a ring of pages makes it eat all memory or all stack, which nothing can catch.
type pageWalk struct {
	file     []byte
	pageSize uint64
	pages    uint64 // how many there are, in use or free
	used     []bool // by page number
}

// checkPages returns ErrDamaged unless the pages of the file hang together. It reads all that are in use, once.
func checkPages(file []byte) error {
	meta := newestMeta(file)
	if meta == nil {
		return fmt.Errorf("%w (it does not begin as one)", ErrDamaged)
	}
	w := &pageWalk{file: file, pageSize: uint64(order.Uint32(meta[8:])), pages: order.Uint64(meta[40:])}
	if w.pages < firstPage || w.pages > uint64(len(file))/w.pageSize {
		return fmt.Errorf("%w (it has %d octets, want %d pages)", ErrDamaged, len(file), w.pages)
	}
	w.used = make([]bool, w.pages)
	w.used[0], w.used[1] = true, true
	if err := w.tree(order.Uint64(meta[16:]), nil); err != nil {
		return err
	}
	if free := order.Uint64(meta[32:]); free != noFreelist {
		return w.freelist(free)
	}
	return nil
}

// newestMeta returns the meta that bbolt would go by: of two that are whole the one of the later transaction. nil
// means that none is whole.
func newestMeta(file []byte) []byte {
	first := metaAt(file, 0)
	at := uint64(os.Getpagesize())
	if first != nil {
		at = uint64(order.Uint32(first[8:]))
	}
	second := metaAt(file, at)
	if first == nil || (second != nil && order.Uint64(second[48:]) > order.Uint64(first[48:])) {
		return second
	}
	return first
}

// metaAt returns the meta of the page at an offset; nil if there is none that is whole.
func metaAt(file []byte, at uint64) []byte {
	if at+pageHead+metaSize > uint64(len(file)) {
		return nil
	}
	meta := file[at+pageHead:][:metaSize]
	sum := fnv.New64a()
	sum.Write(meta[:metaSize-8])
	size := order.Uint32(meta[8:])
	if order.Uint32(meta) != boltMagic || order.Uint32(meta[4:]) != boltVersion ||
		order.Uint64(meta[metaSize-8:]) != sum.Sum64() || size < 512 || size > maxPageSize {
		return nil
	}
	return meta
}

func (w *pageWalk) bad(page uint64, what string) error {
	return fmt.Errorf("%w (page %d: %s)", ErrDamaged, page, what)
}

// read returns a page with its overflow, and marks it as used.
func (w *pageWalk) read(number uint64) ([]byte, error) {
	if number < firstPage || number >= w.pages {
		return nil, w.bad(number, "not in the file")
	}
	page := w.file[number*w.pageSize:]
	last := number + uint64(order.Uint32(page[12:]))
	if order.Uint64(page) != number || last >= w.pages {
		return nil, w.bad(number, "not what it should be")
	}
	for n := number; n <= last; n++ {
		if w.used[n] {
			return nil, w.bad(n, "used twice")
		}
		w.used[n] = true
	}
	return page[:(last-number+1)*w.pageSize], nil
}

// tree goes over a page and all below it. first is what its first key must be, for bbolt finds the place of a page in
// the one above by that; nil if there is none above.
func (w *pageWalk) tree(number uint64, first []byte) error {
	page, err := w.read(number)
	if err != nil {
		return err
	}
	switch order.Uint16(page[8:]) {
	case kindBranch:
		return w.branch(number, page, first)
	case kindLeaf:
		return w.leaf(number, page, first)
	}
	return w.bad(number, "of a wrong kind")
}

func (w *pageWalk) branch(number uint64, page, first []byte) error {
	count := int(order.Uint16(page[10:]))
	if count == 0 || pageHead+count*elementSize > len(page) {
		return w.bad(number, "wrong count")
	}
	var before []byte
	for at := pageHead; at < pageHead+count*elementSize; at += elementSize {
		start := int(order.Uint32(page[at:]))
		end := start + int(order.Uint32(page[at+4:]))
		if end > len(page)-at {
			return w.bad(number, "key outside")
		}
		key := page[at+start : at+end]
		if !inOrder(before, key, first) {
			return w.bad(number, "keys in disorder")
		}
		if err := w.tree(order.Uint64(page[at+8:]), key); err != nil {
			return err
		}
		before = key
	}
	return nil
}

// inOrder tells whether a key may stand behind the one before it, or, if there is none, as the first.
func inOrder(before, key, first []byte) bool {
	if before == nil {
		return first == nil || bytes.Equal(key, first)
	}
	return bytes.Compare(before, key) < 0
}

// leaf goes over the elements of a leaf, and the buckets among them.
func (w *pageWalk) leaf(number uint64, page, first []byte) error {
	count := int(order.Uint16(page[10:]))
	if pageHead+count*elementSize > len(page) || count == 0 && first != nil {
		return w.bad(number, "wrong count")
	}
	var before []byte
	for at := pageHead; at < pageHead+count*elementSize; at += elementSize {
		kind, start := order.Uint32(page[at:]), int(order.Uint32(page[at+4:]))
		value := start + int(order.Uint32(page[at+8:]))
		end := value + int(order.Uint32(page[at+12:]))
		if end > len(page)-at {
			return w.bad(number, "value outside")
		}
		key := page[at+start : at+value]
		if !inOrder(before, key, first) {
			return w.bad(number, "keys in disorder")
		}
		before = key
		if kind&leafIsBucket == 0 {
			continue
		}
		if err := w.bucket(number, page[at+value:at+end]); err != nil {
			return err
		}
	}
	return nil
}

func (w *pageWalk) bucket(number uint64, value []byte) error {
	if len(value) < bucketHead {
		return w.bad(number, "bucket without a root")
	}
	if root := order.Uint64(value); root != 0 {
		return w.tree(root, nil)
	}
	inline := value[bucketHead:]
	if len(inline) < pageHead || order.Uint16(inline[8:]) != kindLeaf {
		return w.bad(number, "bucket without a page")
	}
	return w.leaf(number, inline, nil)
}

// freelist sees that no page is both free and in use: the next transaction would write over it.
func (w *pageWalk) freelist(number uint64) error {
	page, err := w.read(number)
	if err != nil {
		return err
	}
	if order.Uint16(page[8:]) != kindFree {
		return w.bad(number, "no list of free pages")
	}
	count, list := uint64(order.Uint16(page[10:])), page[pageHead:]
	if count == manyFree {
		count, list = order.Uint64(list), list[8:]
	}
	if count > uint64(len(list)/8) {
		return w.bad(number, "wrong count")
	}
	for ; count > 0; count, list = count-1, list[8:] {
		free := order.Uint64(list)
		if free >= w.pages || w.used[free] {
			return w.bad(free, "free, and yet in use")
		}
		w.used[free] = true
	}
	return nil
}
