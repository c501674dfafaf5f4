package main

import (
	"bytes"
	"reflect"
	"regexp"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// kindly says what a value should look like, in place of the decoder's words, which are for programmers. It shows
// nothing of the value, for that may be a password.
func (c *config) kindly(err *toml.DecodeError, row int) string {
	words := strings.TrimPrefix(err.Error(), "toml: ")
	if key := err.Key(); len(key) > 0 {
		if strings.HasPrefix(words, "cannot decode TOML") {
			return strings.Join(key, ".") + " is " + kindOf(key)
		}
		return words
	}
	key, value := c.assignment(row)
	kind, known := kinds()[key]
	switch {
	case !known:
		return words
	case strings.HasPrefix(value, `"`), strings.HasPrefix(value, "'"):
		return key + ": " + words
	}
	return key + " is " + kind
}

var assignment = regexp.MustCompile(`^\s*(?:[^=]*\.)?([A-Za-z0-9_-]+)\s*=\s*(.*)$`)

// assignment takes a line apart, in a file that is no proper TOML.
func (c *config) assignment(row int) (key, value string) {
	lines := bytes.Split(c.text, []byte("\n"))
	if row < 1 || row > len(lines) {
		return "", ""
	}
	parts := assignment.FindSubmatch(bytes.TrimRight(lines[row-1], "\r"))
	if parts == nil {
		return "", ""
	}
	return string(parts[1]), string(parts[2])
}

// kindOf says what kind of value a key takes, without Go's words for it.
func kindOf(key []string) string {
	if len(key) < 3 {
		return "a table: begin an account with [accounts.NAME]"
	}
	return kinds()[key[2]]
}

// kinds are the keys of an account, and what each of them takes.
func kinds() map[string]string {
	const command = "a text, or a list of texts, in quotes: \"...\""
	all := map[string]string{keyPasswordCommand: command, keyTokenCommand: command, keyOnChange: command}
	for _, field := range reflect.VisibleFields(reflect.TypeFor[account]()) {
		key := field.Tag.Get("toml")
		if key == "" || all[key] != "" {
			continue
		}
		switch field.Type.Kind() { //nolint:exhaustive // no account has keys of other kinds
		case reflect.Bool:
			all[key] = "true or false, without quotes"
		case reflect.Pointer:
			all[key] = "a number, without quotes"
		case reflect.Slice:
			all[key] = `a list of texts, each in quotes: ["...", "..."]`
		default:
			all[key] = `a text, in quotes: "..."`
		}
	}
	return all
}
