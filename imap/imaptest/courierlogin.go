package imaptest

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

var errLogout = errors.New("logged out")

// login speaks with a client until it has logged in, and returns its user and the tag that imapd is to answer.
func (s *CourierServer) login(r *bufio.Reader, w io.Writer) (user, tag string, err error) {
	if _, err := fmt.Fprintf(w, "* OK [CAPABILITY %s] Courier-IMAP ready.\r\n", courierCapability); err != nil {
		return "", "", err
	}
	for {
		words, err := commandWords(r, w)
		if err != nil {
			return "", "", err
		}
		if len(words) < 2 {
			return "", "", errLogout
		}
		tag, answer := words[0], ""
		switch verb := strings.ToUpper(words[1]); {
		case verb == "LOGIN" && len(words) == 4 && words[3] == s.Password && !strings.ContainsAny(words[2], "./"):
			return words[2], tag, nil
		case verb == "LOGIN":
			answer = tag + " NO Login failed.\r\n"
		case verb == "CAPABILITY":
			answer = "* CAPABILITY " + courierCapability + "\r\n" + tag + " OK CAPABILITY completed\r\n"
		case verb == "NOOP":
			answer = tag + " OK NOOP completed\r\n"
		case verb == "LOGOUT":
			answer = "* BYE Courier-IMAP server shutting down\r\n" + tag + " OK LOGOUT completed\r\n"
		default:
			answer = tag + " NO Error in IMAP command received by server.\r\n"
		}
		if _, err := io.WriteString(w, answer); err != nil {
			return "", "", err
		}
	}
}

// commandWords reads a command with its strings, quoted or as literals.
func commandWords(r *bufio.Reader, w io.Writer) ([]string, error) {
	var words []string
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return nil, err
		}
		size, waits, more := literalAt([]byte(line))
		if more {
			line = line[:strings.LastIndexByte(line, '{')]
		}
		words = append(words, lineWords(strings.TrimRight(line, "\r\n"))...)
		if !more {
			return words, nil
		}
		if waits {
			if _, err := io.WriteString(w, "+ go on\r\n"); err != nil {
				return nil, err
			}
		}
		literal := make([]byte, size)
		if _, err := io.ReadFull(r, literal); err != nil {
			return nil, err
		}
		words = append(words, string(literal))
	}
}

// lineWords takes a line apart at its spaces, but for those in quotes.
func lineWords(line string) []string {
	var words []string
	for line != "" {
		if line[0] != '"' {
			word, rest, _ := strings.Cut(line, " ")
			if word != "" {
				words = append(words, word)
			}
			line = rest
			continue
		}
		var word strings.Builder
		i := 1
		for ; i < len(line) && line[i] != '"'; i++ {
			if line[i] == '\\' && i+1 < len(line) {
				i++
			}
			word.WriteByte(line[i])
		}
		words = append(words, word.String())
		line = line[min(i+1, len(line)):]
	}
	return words
}
