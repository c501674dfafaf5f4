package imaptest

import "strings"

// reading are the commands that change nothing on a server. A SELECT does: it takes \Recent away.
//
// Source: RFC 9051, section 6; RFC 3501, section 6.3.1.
var reading = map[string]bool{
	"CAPABILITY": true, "NOOP": true, "ID": true, "LOGIN": true, "AUTHENTICATE": true, "STARTTLS": true, "ENABLE": true,
	"COMPRESS": true, "NAMESPACE": true, "LIST": true, "STATUS": true, "EXAMINE": true, "UNSELECT": true,
	"UID FETCH": true, "UID SEARCH": true, "IDLE": true, "LOGOUT": true,
}

// Changing returns those commands of a trace, as wire.TraceWriter writes it, that can change something on the server, and
// how many commands there are.
func Changing(trace string) (changing []string, commands int) {
	for line := range strings.Lines(trace) {
		_, text, sent := strings.Cut(strings.TrimRight(line, "\n"), " C: ")
		words := strings.Fields(text)
		if !sent || len(words) < 2 || strings.HasPrefix(text, "<") { // a literal, or the rest of a login
			continue
		}
		commands++
		verb := strings.ToUpper(words[1])
		if verb == "UID" && len(words) > 2 {
			verb += " " + strings.ToUpper(words[2])
		}
		marks := verb == "UID FETCH" && (strings.Contains(text, "BODY[") || strings.Contains(text, "RFC822.TEXT"))
		if !reading[verb] || marks {
			changing = append(changing, text)
		}
	}
	return changing, commands
}
