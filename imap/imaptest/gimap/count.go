package gimap

import (
	"maps"
	"slices"
	"strings"
)

// Counters say what clients did.
type Counters struct {
	Verbs   map[string]int // commands; UID is no part of a verb
	Lines   []string       // of commands, as they came, without secrets and literals
	Flights int            // round trips: commands that came together count once
	Down    int64          // octets, as they went over the connection
	Up      int64
	Bodies  map[uint64]int // how often the whole of each message was sent, to its last octet, by X-GM-MSGID
	Broken  int            // how often only a part was, of any message
	Deleted int            // \Deleted stored outside Spam and Trash, for each message
}

func (c *Counters) clear() { *c = Counters{Verbs: map[string]int{}, Bodies: map[uint64]int{}} }

// Counters returns what was counted.
func (s *Server) Counters() Counters {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settleCounts()
	c := s.count
	c.Verbs, c.Bodies, c.Lines = maps.Clone(c.Verbs), maps.Clone(c.Bodies), slices.Clone(c.Lines)
	return c
}

// ResetCounters starts counting anew.
func (s *Server) ResetCounters() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.settleCounts()
	s.count.clear()
}

// EverDeleted tells how often \Deleted was stored outside Spam and Trash since the server began, whoever reset the counters.
func (s *Server) EverDeleted() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.deleted
}

// noteDeleted counts that a client stored \Deleted outside Spam and Trash. The lock is held.
func (s *Server) noteDeleted() {
	s.count.Deleted++
	s.deleted++
}

// settleCounts adds what the connections that live have counted. The lock is held.
func (s *Server) settleCounts() {
	for c := range s.sessions {
		c.settleCounts()
	}
}

// noteBody counts a body of which the first octet, or the last one, is sent.
func (s *Server) noteBody(id uint64, whole bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !whole {
		s.count.Broken++
		return
	}
	s.count.Broken--
	s.count.Bodies[id]++
}

// noteCommand counts a command. Passwords and tokens are not kept.
func (c *Counters) noteCommand(verb string, line []byte, fresh bool) {
	c.Verbs[verb]++
	if fresh {
		c.Flights++
	}
	text, _, _ := strings.Cut(string(line), "\r\n")
	if verb == "LOGIN" || verb == "AUTHENTICATE" {
		text = verb
	}
	c.Lines = append(c.Lines, text)
}
