package wire

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
)

// A UIDRange is a range of UIDs, both ends included. First is at most Last, and neither is 0.
type UIDRange struct{ First, Last uint32 }

// A UIDSet is a set of UIDs as ascending ranges that neither touch nor overlap. It is never expanded: a server may
// send 1:4294967295. The zero value is the empty set.
//
// Source: RFC 9051, section 9, sequence-set.
type UIDSet []UIDRange

// UIDSetOf returns the set of these UIDs, in any order; 0 is left out.
func UIDSetOf(uids ...uint32) UIDSet {
	ranges := make([]UIDRange, 0, len(uids))
	for _, uid := range uids {
		if uid != 0 {
			ranges = append(ranges, UIDRange{uid, uid})
		}
	}
	return normalise(ranges)
}

// normalise sorts ranges and joins those that touch. It works in place.
func normalise(ranges []UIDRange) UIDSet {
	byFirst := func(a, b UIDRange) int { return cmp.Compare(a.First, b.First) }
	if !slices.IsSortedFunc(ranges, byFirst) {
		slices.SortFunc(ranges, byFirst)
	}
	set := ranges[:0]
	for _, r := range ranges {
		if n := len(set); n > 0 && uint64(r.First) <= uint64(set[n-1].Last)+1 {
			set[n-1].Last = max(set[n-1].Last, r.Last)
			continue
		}
		set = append(set, r)
	}
	return set
}

var errUIDSet = errors.New("malformed UID set")

// ParseUIDSet reads a set as a server sends it. "*" and 0 are errors, for no answer may hold them.
func ParseUIDSet(s string) (UIDSet, error) {
	ranges, err := parseRanges(s)
	if err != nil {
		return nil, err
	}
	for i, r := range ranges {
		ranges[i] = UIDRange{min(r.First, r.Last), max(r.First, r.Last)}
	}
	return normalise(ranges), nil
}

// ascend tells whether no range is turned round and each begins after the one before it.
func ascend(ranges []UIDRange) bool {
	var last uint32
	for _, r := range ranges {
		if r.First <= last || r.Last < r.First {
			return false
		}
		last = r.Last
	}
	return true
}

// parseRanges reads ranges as they came, in the order in which they came. There is at least one.
func parseRanges(s string) ([]UIDRange, error) {
	ranges := make([]UIDRange, 0, 1+strings.Count(s, ","))
	for part := range strings.SplitSeq(s, ",") {
		first, last, isRange := strings.Cut(part, ":")
		a, err := parseUID(first)
		if err != nil {
			return nil, err
		}
		b := a
		if isRange {
			if b, err = parseUID(last); err != nil {
				return nil, err
			}
		}
		ranges = append(ranges, UIDRange{a, b})
	}
	return ranges, nil
}

func parseUID(s string) (uint32, error) {
	n, err := strconv.ParseUint(s, 10, 32)
	if err != nil || n == 0 {
		return 0, errUIDSet
	}
	return uint32(n), nil
}

// String writes the set as a command takes it.
func (s UIDSet) String() string {
	var b []byte
	for i, r := range s {
		if i > 0 {
			b = append(b, ',')
		}
		b = strconv.AppendUint(b, uint64(r.First), 10)
		if r.Last != r.First {
			b = append(b, ':')
			b = strconv.AppendUint(b, uint64(r.Last), 10)
		}
	}
	return string(b)
}

// Contains tells whether uid is in the set.
func (s UIDSet) Contains(uid uint32) bool {
	i, found := slices.BinarySearchFunc(s, uid, func(r UIDRange, uid uint32) int { return cmp.Compare(r.First, uid) })
	return found || (i > 0 && s[i-1].Last >= uid)
}

// Count returns how many UIDs are in the set.
func (s UIDSet) Count() uint64 {
	var n uint64
	for _, r := range s {
		n += uint64(r.Last-r.First) + 1
	}
	return n
}

// Split cuts the set into sets whose text is at most n octets long (or one range, if that is longer), for commands
// must not grow without bound.
func (s UIDSet) Split(n int) []UIDSet {
	const longest = len("4294967295:4294967295,")
	per := max(1, n/longest)
	var parts []UIDSet
	for part := range slices.Chunk(s, per) {
		parts = append(parts, part)
	}
	return parts
}
