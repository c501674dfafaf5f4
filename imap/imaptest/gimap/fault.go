package gimap

import (
	"strings"
	"time"
)

// A Point is where in the answer to a command something happens.
type Point int

// The points of an answer, in their order.
const (
	Never         Point = iota
	AtCommand           // before the command is done
	AfterDoing          // it is done, and nothing was said
	BeforeLiteral       // in front of the first literal of the answer
	InLiteral           // Octet octets into it
	AtOctet             // Octet octets into the answer
	BeforeTag           // all was said but the last line
)

// A Fault is one thing that goes wrong. It waits for a command that fits, and is over after it has happened so often as it
// should.
type Fault struct {
	// Which command. The zero value of each fits any.
	Verb   string // without UID; "LOGIN" stands for AUTHENTICATE, too
	Folder string // the one that is selected, or that the command names
	UID    uint32 // one that the command names
	Nth    int    // so many that fit pass first
	Times  int    // how often: 0 is once, below 0 always

	// What happens.
	Before  string        // this line comes first, "* BYE ..." for instance
	Answer  string        // this is the tagged answer, and nothing is done
	Suffix  string        // this stands at the end of the tagged answer
	Bare    bool          // the tagged answer has no code in brackets
	Delay   time.Duration // before anything
	Cut     Point         // the connection drops there
	Bye     string        // this line comes just before, if a line can stand there
	Stall   Point         // nothing more comes from there on, and the connection stays
	Octet   int
	Web     func(*Web) // somebody does something there, at Point At
	At      Point
	Lose    []uint32 // these messages are left out of a FETCH, which says so in its answer
	Body    string   // what stands in place of a BODY[]: "nil", "absent" or "empty"
	Noise   bool     // unsolicited half answers stand between those of a FETCH
	NoItems []string // these items are left out of the answers of a FETCH
}

type planned struct {
	Fault
	seen, done int
}

// Fault plans a fault.
func (s *Server) Fault(f Fault) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = append(s.faults, &planned{Fault: f})
}

// ClearFaults forgets all faults that were planned.
func (s *Server) ClearFaults() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = nil
}

// fault finds the fault that a command meets.
func (s *Server) fault(c *session, cmd *command) *Fault {
	return s.pick(func(p *planned) bool { return p.fits(c, cmd) })
}

// pick takes the first fault that fits and is not over.
func (s *Server) pick(fits func(*planned) bool) *Fault {
	for _, p := range s.faults {
		if p.done < 0 || !fits(p) {
			continue
		}
		p.seen++
		if p.seen <= p.Nth {
			continue
		}
		p.done++
		if p.Times >= 0 && p.done >= max(p.Times, 1) {
			p.done = -1
		}
		return &p.Fault
	}
	return nil
}

func (p *planned) fits(c *session, cmd *command) bool {
	verb := cmd.verb
	if verb == "AUTHENTICATE" {
		verb = "LOGIN"
	}
	if p.Verb != "" && !strings.EqualFold(p.Verb, verb) {
		return false
	}
	if p.Folder != "" && (c.selected == nil || c.selected.name != p.Folder) && (len(cmd.args) == 0 || c.decode(cmd.args[0].text) != p.Folder) {
		return false
	}
	return p.UID == 0 || cmd.names(p.UID)
}

// names tells whether a command names a UID.
func (cmd *command) names(uid uint32) bool {
	if !cmd.uid || len(cmd.args) == 0 {
		return false
	}
	set, err := parseSet(cmd.args[0].text, 1<<32-1)
	if err != nil {
		return false
	}
	for _, r := range set {
		if r.from <= uid && uid <= r.to {
			return true
		}
	}
	return false
}
