package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"mailtwin/maildir"
	"mailtwin/rcfile"
)

// A program is one whose accounts can be taken over.
type program struct {
	name  string
	read  func(env *environment, file, text string) (*takeovers, error)
	usual func(config, home string) []string // where its configuration lies, the first one first
}

var programs = map[string]program{
	"mbsync": {"mbsync", fromMbsync, func(config, home string) []string {
		return []string{filepath.Join(config, "isyncrc"), filepath.Join(home, ".mbsyncrc")}
	}},
	"offlineimap": {"OfflineIMAP", fromOfflineimap, func(config, home string) []string {
		return []string{filepath.Join(config, "offlineimap", "config"), filepath.Join(home, ".offlineimaprc")}
	}},
}

// alone makes sure that no flag is given that another way of setting up would leave aside.
func (o *initOptions) alone(cmd *cobra.Command) error {
	with := []string{"from", "move", "dry-run"}
	var wrong []string
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if f.Name != "config" && f.Name != "help" && slices.Contains(with, f.Name) == (o.from == "") {
			wrong = append(wrong, "--"+f.Name)
		}
	})
	switch _, known := programs[o.from]; {
	case o.from != "" && !known:
		return &usageError{fmt.Errorf(`--from is "mbsync" or "offlineimap", not %q`, o.from)}
	case len(wrong) > 0 && o.from != "":
		return &usageError{fmt.Errorf("%s and --from do not go together: everything comes from the file", strings.Join(wrong, ", "))}
	case len(wrong) > 0:
		return &usageError{fmt.Errorf("%s: only with --from", strings.Join(wrong, ", "))}
	}
	return nil
}

// takeOver takes the accounts of another program over.
func (s *setup) takeOver(ctx context.Context) error {
	p := programs[s.o.from]
	text, err := s.readFile(p)
	if err != nil {
		return err
	}
	t, err := p.read(s.env, s.file, text)
	var syntax *rcfile.SyntaxError
	if errors.As(err, &syntax) {
		return &usageError{fmt.Errorf("%s:%d: %s", s.file, syntax.Line, syntax.Reason)}
	}
	if err != nil {
		return err
	}
	if len(t.accounts) == 0 && !t.failed {
		return &usageError{fmt.Errorf("%s has no account that could be taken over", s.file)}
	}
	s.remarks(t)
	var written []string
	config, failed := s.config, t.failed
	for _, a := range t.accounts {
		next, err := s.admit(ctx, config, a)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case err != nil:
			failed = true
			s.env.complain(a.account.name, err)
		case next != nil:
			config, failed = next, failed || a.left
			written = append(written, a.account.name)
		}
	}
	return s.conclude(config, written, failed)
}

// readFile reads the configuration of the other program.
func (s *setup) readFile(p program) (string, error) {
	if s.file == "" {
		home := s.env.getenv("HOME")
		config := s.env.getenv("XDG_CONFIG_HOME")
		if config == "" {
			config = filepath.Join(home, ".config")
		}
		usual := p.usual(config, home)
		for _, path := range usual {
			if _, err := os.Stat(path); err == nil {
				s.file = path
				break
			}
		}
		if s.file == "" {
			return "", &usageError{fmt.Errorf("%s has no configuration at %s; name it: mailtwin init --from %s FILE", p.name, strings.Join(usual, " or "), s.o.from)}
		}
	}
	text, err := readSmall(s.file)
	if err != nil {
		return "", &usageError{err}
	}
	return string(text), nil
}

// remarks says line by line what there is to say.
func (s *setup) remarks(t *takeovers) {
	slices.SortStableFunc(t.remarks, func(a, b remark) int { return a.line - b.line })
	for _, r := range t.remarks {
		s.prompt.say("%s:%d: %s", show(t.file), r.line, showLong(r.text))
	}
}

var errLeftOut = errors.New("it was left out; see what was said of its lines")

// admit adds an account to the configuration that is to be written, once all of it is as it should be. It returns nil for
// one that is there already.
func (s *setup) admit(ctx context.Context, before *config, t *takeover) (*config, error) {
	a := t.account
	if a.name == "" {
		return nil, errors.New("it was left out: it has no name")
	}
	if t.left {
		return nil, errLeftOut
	}
	var text []byte
	if before != nil {
		text = before.text
		if there := before.Accounts[a.name]; there != nil {
			return nil, s.same(there, a)
		}
	}
	c, err := s.append(text, a)
	if err != nil { // where it would stand in the file tells nobody anything
		_, reason, _ := strings.Cut(err.Error(), fmt.Sprintf("account %q: ", a.name))
		return nil, fmt.Errorf("it was left out: %s", reason)
	}
	s.env.print("%s: %s at %s, %s in %s", show(a.name), show(a.User), show(a.Host), plural(t.there, "mailbox"), show(c.Accounts[a.name].Maildir))
	if err := s.carry(t); err != nil {
		return nil, err
	}
	if s.o.dryRun {
		if t.secret != "" {
			s.prompt.say("%s: the password that stands in the file would go to the keyring", show(a.name))
		}
		return c, nil
	}
	if err := s.secretOf(ctx, t); err != nil {
		t.left = true
		s.env.complain(a.name, err)
	}
	return s.append(text, a) // now with the password, if it has to stand there
}

// same tells of an account that is there already. It is left as it is.
func (s *setup) same(there, a *account) error {
	if there.User == a.User && strings.EqualFold(there.Host, a.Host) {
		s.env.print("%s: it is in %s already, and was left as it is", show(a.name), show(s.path))
		return nil
	}
	return fmt.Errorf("it was left out: %s has another account of that name; give one of them another", s.path)
}

// carry moves mailboxes to where mailtwin looks for them, if the user says so.
func (s *setup) carry(t *takeover) error {
	if len(t.moves) == 0 {
		return nil
	}
	s.prompt.say("%s: mailtwin would not find these mailboxes where they are:", show(t.account.name))
	for _, m := range t.moves {
		s.prompt.say("    %s -> %s", show(m.from), show(m.to))
	}
	switch {
	case s.o.dryRun:
		return nil
	case !s.o.move && !s.prompt.yes("Stop the other program for good, then: shall they be moved?"):
		return errors.New("it was left out: move the directories cur, new and tmp of these mailboxes, or have it done with --move, and try again")
	}
	s.writing.Store(true) // what was begun is ended
	defer s.writing.Store(false)
	for _, m := range t.moves {
		if err := maildir.Carry(m.from, m.to); err != nil {
			return fmt.Errorf("it was left out: %w", err)
		}
	}
	return nil
}

// conclude writes the configuration, and says what to do next.
func (s *setup) conclude(c *config, written []string, failed bool) error {
	if len(written) > 0 && s.o.dryRun {
		fresh := c.text
		if s.config != nil {
			fresh = fresh[len(s.config.text):]
		}
		s.env.print("%s", strings.TrimSpace(string(fresh)))
	}
	if len(written) > 0 && !s.o.dryRun {
		s.writing.Store(true)
		if err := writeConfig(s.path, s.config, c.text); err != nil {
			return fmt.Errorf("write the configuration: %w", err)
		}
		names := show(strings.Join(written, " "))
		s.env.print("%s has %s now. Next, when %s has been stopped for good:", show(s.path), names, programs[s.o.from].name)
		s.next(names)
	}
	if failed {
		return &reported{errProblems}
	}
	return nil
}
