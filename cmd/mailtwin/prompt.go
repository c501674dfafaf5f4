package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// A prompt asks questions on a terminal, on stderr, so that stdout stays for results.
type prompt struct {
	env      *environment
	terminal bool
	in       *bufio.Reader
	secret   func() ([]byte, error) // reads a line without showing it
	restore  func()                 // has the terminal show again what is typed
}

func (env *environment) prompt() *prompt {
	p := &prompt{env: env, terminal: env.asks, in: bufio.NewReader(env.input())}
	p.restore = func() {}
	p.secret = func() ([]byte, error) { return term.ReadPassword(int(os.Stdin.Fd())) }
	if state, err := term.GetState(int(os.Stdin.Fd())); env.stdin == nil && err == nil {
		p.restore = func() { _ = term.Restore(int(os.Stdin.Fd()), state) } // there is nothing else to be done about it
	}
	if env.stdin != nil {
		p.secret = func() ([]byte, error) {
			line, err := p.in.ReadBytes('\n')
			return []byte(strings.TrimRight(string(line), "\r\n")), err
		}
	}
	return p
}

func (env *environment) input() io.Reader {
	if env.stdin != nil {
		return env.stdin
	}
	return os.Stdin
}

// say tells something beside the questions.
func (p *prompt) say(format string, args ...any) {
	p.env.writing.Lock()
	defer p.env.writing.Unlock()
	fmt.Fprintf(p.env.stderr, format+"\n", args...)
}

func (p *prompt) missing(flag string) error {
	return &usageError{fmt.Errorf("there is no terminal to ask on, and %s is missing; see mailtwin init --help", flag)}
}

var errNoAnswer = errors.New("no answer; nothing was written")

// ask asks for something that cannot be done without. Without a terminal it has to come from the flag.
func (p *prompt) ask(question, proposal, flag string) (string, error) {
	if !p.terminal {
		return "", p.missing(flag)
	}
	for {
		if proposal != "" {
			fmt.Fprintf(p.env.stderr, "%s [%s]: ", question, show(proposal))
		} else {
			fmt.Fprintf(p.env.stderr, "%s: ", question)
		}
		line, err := p.in.ReadString('\n')
		answer := strings.TrimSpace(line)
		switch {
		case answer != "":
			return answer, nil
		case err != nil:
			return "", &usageError{errNoAnswer}
		case proposal != "":
			return proposal, nil
		}
	}
}

// askOr asks, and takes the proposal where there is no terminal.
func (p *prompt) askOr(question, proposal, flag string) (string, error) {
	if !p.terminal && proposal != "" {
		return proposal, nil
	}
	return p.ask(question, proposal, flag)
}

// yes asks for a yes. Anything else is a no, and so is no terminal.
func (p *prompt) yes(question string) bool {
	if !p.terminal {
		return false
	}
	fmt.Fprintf(p.env.stderr, "%s (yes/no) ", question)
	line, err := p.in.ReadString('\n')
	return err == nil && strings.EqualFold(strings.TrimSpace(line), "yes")
}

// password asks for a secret, which is not shown.
func (p *prompt) password(question string) (string, error) {
	if !p.terminal {
		return "", p.missing("--password-command")
	}
	fmt.Fprintf(p.env.stderr, "%s: ", question)
	line, err := p.secret()
	fmt.Fprintln(p.env.stderr)
	if err != nil && len(line) == 0 {
		return "", &usageError{errNoAnswer}
	}
	return string(line), nil
}
