package state

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"mailtwin/mailbox"
)

// pagesOf returns the numbers of the pages in use, or free, that are of a kind.
func pagesOf(file []byte, kind uint16) (numbers []uint64) {
	meta := newestMeta(file)
	size := uint64(order.Uint32(meta[8:]))
	w := &pageWalk{file: file, pageSize: size, pages: order.Uint64(meta[40:])}
	w.used = make([]bool, w.pages)
	_ = w.tree(order.Uint64(meta[16:]), nil)
	if kind == kindFree {
		return []uint64{order.Uint64(meta[32:])}
	}
	for n := uint64(firstPage); n < w.pages; n++ {
		if w.used[n] && order.Uint64(file[n*size:]) == n && order.Uint16(file[n*size+8:]) == kind {
			numbers = append(numbers, n)
		}
	}
	return numbers
}

// keyAt returns where the last octet of a page's first key is; field is where an element tells where its key begins.
func keyAt(file []byte, page, field int) int {
	at := page + pageHead
	start, length := order.Uint32(file[at:]), order.Uint32(file[at+4:])
	if field == 4 { // of a leaf
		start, length = length, order.Uint32(file[at+8:])
	}
	return at + int(start+length) - 1
}

// Each of these would cost bbolt all memory, all stack, or the data of a page in use.
func TestDamagedPages(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := mustOpen(t, path)
	for n := range 300 {
		mustCommit(t, db, mailbox.Update{Mailbox: "A", Put: []mailbox.Pair{samplePair(n + 1)}})
	}
	mustClose(t, db)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := checkPages(whole); err != nil {
		t.Fatalf("as it was: %v", err)
	}
	size := int(order.Uint32(newestMeta(whole)[8:]))
	branch, leaf, free := int(pagesOf(whole, kindBranch)[0]), int(pagesOf(whole, kindLeaf)[0]), int(pagesOf(whole, kindFree)[0])
	for name, damage := range map[string]func(file []byte){
		"a ring":                   func(f []byte) { order.PutUint64(f[branch*size+pageHead+8:], uint64(branch)) },
		"two branches, one leaf":   func(f []byte) { copy(f[branch*size+pageHead+8:][:8], f[branch*size+pageHead+elementSize+8:]) },
		"a page beyond the end":    func(f []byte) { order.PutUint64(f[branch*size+pageHead+8:], 1<<40) },
		"endless overflow":         func(f []byte) { order.PutUint32(f[leaf*size+12:], 0xaa000000) },
		"overflow into the next":   func(f []byte) { order.PutUint32(f[leaf*size+12:], 1) },
		"another number":           func(f []byte) { order.PutUint64(f[leaf*size:], 1) },
		"another kind":             func(f []byte) { order.PutUint16(f[leaf*size+8:], kindFree) },
		"too many elements":        func(f []byte) { order.PutUint16(f[leaf*size+10:], 5000) },
		"a branch with no element": func(f []byte) { order.PutUint16(f[branch*size+10:], 0) },
		"a key outside":            func(f []byte) { order.PutUint32(f[branch*size+pageHead+4:], 1<<31) },
		"another key above":        func(f []byte) { f[keyAt(f, branch*size, 8)]++ },
		"a wrong first key":        func(f []byte) { f[keyAt(f, leaf*size, 4)]++ },
		"keys in disorder":         func(f []byte) { f[keyAt(f, leaf*size+elementSize, 4)] = 0xff },
		"a value outside":          func(f []byte) { order.PutUint32(f[leaf*size+pageHead+12:], 1<<31) },
		"a page in use, and free":  func(f []byte) { order.PutUint64(f[free*size+pageHead:], uint64(leaf)) },
		"a page free twice":        func(f []byte) { copy(f[free*size+pageHead:][:8], f[free*size+pageHead+8:]) },
		"too many free pages":      func(f []byte) { order.PutUint16(f[free*size+10:], 5000) },
		"no end of free pages": func(f []byte) {
			order.PutUint16(f[free*size+10:], manyFree)
			order.PutUint64(f[free*size+pageHead:], 1<<60)
		},
	} {
		file := slices.Clone(whole)
		damage(file)
		if slices.Equal(file, whole) {
			t.Errorf("%s: nothing was damaged", name)
		}
		if err := checkPages(file); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: got %v", name, err)
		}
	}
}

// A power cut may leave one of the two metas torn; the other one is what counts then.
func TestOneTornMetaIsFine(t *testing.T) {
	path := filepath.Join(t.TempDir(), "x.db")
	db := mustOpen(t, path)
	mustCommit(t, db, mailbox.Update{Mailbox: "A"})
	mustClose(t, db)
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for _, at := range []int{0, os.Getpagesize()} {
		file := slices.Clone(whole)
		clear(file[at+pageHead:][:metaSize])
		if err := os.WriteFile(path, file, 0o600); err != nil {
			t.Fatal(err)
		}
		mustClose(t, mustOpen(t, path))
	}
}
