package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// raw is an account before its commands, each of which may be a string or a list, were looked at.
type raw struct {
	account
	PasswordCommand any `toml:"password_command"`
	TokenCommand    any `toml:"token_command"`
	OnChange        any `toml:"on_change"`
}

func (c *config) decode() error {
	var file struct {
		Accounts map[string]*raw `toml:"accounts"`
	}
	decoder := toml.NewDecoder(bytes.NewReader(c.text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return c.where(err)
	}
	c.lines = keyLines(c.text)
	c.Accounts = map[string]*account{}
	for name, r := range file.Accounts {
		a := r.account
		a.name = name
		for _, of := range []struct {
			key   string
			value any
			to    *command
		}{
			{keyPasswordCommand, r.PasswordCommand, &a.PasswordCommand},
			{keyTokenCommand, r.TokenCommand, &a.TokenCommand},
			{keyOnChange, r.OnChange, &a.OnChange},
		} {
			if of.value == nil {
				continue
			}
			if *of.to = commandOf(of.value); !of.to.given() {
				return c.wrong(&a, of.key, "is a text, or a list of texts, and not empty")
			}
		}
		c.Accounts[name] = &a
	}
	return nil
}

// The keys that hold commands.
const (
	keyPasswordCommand = "password_command"
	keyTokenCommand    = "token_command"
	keyOnChange        = "on_change"
)

// commandOf reads a command in either of its forms; the result is not given() if the value is neither.
func commandOf(value any) command {
	var c command
	switch value := value.(type) {
	case string:
		c.line = value
	case []any:
		for _, word := range value {
			text, ok := word.(string)
			if !ok {
				return command{}
			}
			c.words = append(c.words, text)
		}
		if len(c.words) > 0 && c.words[0] == "" {
			return command{}
		}
	}
	return c
}

// where gives an error of the decoder its line.
func (c *config) where(err error) error {
	var unknown *toml.StrictMissingError
	var decode *toml.DecodeError
	switch {
	case errors.As(err, &unknown):
		var lines []error
		for _, e := range unknown.Errors {
			row, _ := e.Position()
			lines = append(lines, fmt.Errorf("%s:%d: there is no key %q", c.path, row, strings.Join(e.Key(), ".")))
		}
		return errors.Join(lines...)
	case errors.As(err, &decode):
		row, _ := decode.Position()
		return fmt.Errorf("%s:%d: %s", c.path, row, c.kindly(decode, row))
	}
	return fmt.Errorf("%s: %w", c.path, err)
}

// wrong is the error of one key of an account.
func (c *config) wrong(a *account, key, format string, args ...any) error {
	line := c.line(a.name, key)
	return fmt.Errorf("%s:%d: account %q: %s %s", c.path, line, a.name, key, fmt.Sprintf(format, args...))
}

// line finds where a key of an account stands; where it does not, the head of the account.
func (c *config) line(account, key string) int {
	for _, path := range [][]string{{"accounts", account, key}, {"accounts", account}} {
		if line, ok := c.lines[strings.Join(path, keySeparator)]; ok {
			return line
		}
	}
	return 1
}

// keySeparator stands between the parts of a key, for they may contain dots.
const keySeparator = "\x00"

// keyLines tells on which line of a document each key stands, and each table for the first time, in whatever way it
// is written: under a head, dotted, or in braces. The document has been parsed before.
func keyLines(text []byte) map[string]int {
	lines := map[string]int{}
	var parser unstable.Parser
	parser.Reset(text)
	var table []string
	for parser.NextExpression() {
		expression := parser.Expression()
		if expression.Kind == unstable.Table || expression.Kind == unstable.ArrayTable {
			table = noteKey(lines, &parser, nil, expression)
			continue
		}
		noteValue(lines, &parser, table, expression)
	}
	return lines
}

func noteValue(lines map[string]int, parser *unstable.Parser, table []string, node *unstable.Node) {
	if node.Kind != unstable.KeyValue {
		return
	}
	path := noteKey(lines, parser, table, node)
	if node.Value().Kind != unstable.InlineTable {
		return
	}
	for children := node.Value().Children(); children.Next(); {
		noteValue(lines, parser, path, children.Node())
	}
}

// noteKey writes down each part of a node's key and returns the whole.
func noteKey(lines map[string]int, parser *unstable.Parser, table []string, node *unstable.Node) []string {
	path := append([]string{}, table...)
	for keys := node.Key(); keys.Next(); {
		path = append(path, string(keys.Node().Data))
		name := strings.Join(path, keySeparator)
		if _, known := lines[name]; !known {
			lines[name] = parser.Shape(keys.Node().Raw).Start.Line
		}
	}
	return path
}
