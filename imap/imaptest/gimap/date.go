package gimap

import (
	"net/mail"
	"strings"
	"time"
)

// zones are those that have a name, in hours (RFC 5322, section 4.3).
var zones = map[string]int{"EST": -5, "EDT": -4, "CST": -6, "CDT": -5, "MST": -7, "MDT": -6, "PST": -8, "PDT": -7}

// readDate reads a Date field as Gmail does: what names another zone, or none, is taken for UTC.
func readDate(field string) (at time.Time, ok bool) {
	text, _, _ := strings.Cut(field, "(")
	words := strings.Fields(text)
	if len(words) == 0 {
		return at, false
	}
	zone := words[len(words)-1]
	if zone[0] == '+' || zone[0] == '-' {
		at, err := mail.ParseDate(text)
		return at, err == nil
	}
	if !strings.Contains(zone, ":") { // which is the time of day
		text = strings.TrimSuffix(strings.TrimSpace(text), zone)
	}
	at, err := mail.ParseDate(text + " +0000")
	return at.Add(-time.Duration(zones[zone]) * time.Hour), err == nil
}
