package imap

import (
	"encoding/base64"
	"errors"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Mailbox names go over the wire in modified UTF-7.
//
// Source: RFC 3501, section 5.1.3.

var errUTF7 = errors.New("not modified UTF-7")

var base64UTF7 = base64.NewEncoding("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+,").WithPadding(base64.NoPadding)

// encodeUTF7 encodes a name, which must be valid UTF-8.
func encodeUTF7(s string) string {
	var b strings.Builder
	var shifted []rune
	flush := func() {
		if len(shifted) == 0 {
			return
		}
		var octets []byte
		for _, unit := range utf16.Encode(shifted) {
			octets = append(octets, byte(unit>>8), byte(unit))
		}
		b.WriteString("&" + base64UTF7.EncodeToString(octets) + "-")
		shifted = nil
	}
	for _, r := range s {
		switch {
		case r == '&':
			flush()
			b.WriteString("&-")
		case r >= ' ' && r < 0x7f:
			flush()
			b.WriteRune(r)
		default:
			shifted = append(shifted, r)
		}
	}
	flush()
	return b.String()
}

// DecodeName decodes a mailbox name as it goes over the wire, and as some programs write it down.
func DecodeName(wire string) (string, error) { return decodeUTF7(wire) }

// decodeUTF7 decodes a name. One that encodeUTF7 would not give back is an error, for it could not be named again.
func decodeUTF7(s string) (string, error) {
	var b strings.Builder
	for rest := s; rest != ""; {
		plain, after, shift := strings.Cut(rest, "&")
		b.WriteString(plain)
		if !shift {
			break
		}
		code, next, closed := strings.Cut(after, "-")
		if !closed {
			return "", errUTF7
		}
		if code == "" {
			b.WriteByte('&')
		} else if err := decodeShift(&b, code); err != nil {
			return "", err
		}
		rest = next
	}
	if name := b.String(); utf8.ValidString(name) && encodeUTF7(name) == s {
		return name, nil
	}
	return "", errUTF7
}

func decodeShift(b *strings.Builder, code string) error {
	octets, err := base64UTF7.DecodeString(code)
	if err != nil || len(octets)%2 != 0 {
		return errUTF7
	}
	units := make([]uint16, len(octets)/2)
	for i := range units {
		units[i] = uint16(octets[2*i])<<8 | uint16(octets[2*i+1])
	}
	for _, r := range utf16.Decode(units) {
		b.WriteRune(r)
	}
	return nil
}
