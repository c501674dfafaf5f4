package main

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"mailtwin/imap"
	"mailtwin/imap/oauth"
)

// An environment is what a verb has of the outside, so that tests can call it in their own process.
type environment struct {
	stdout, stderr io.Writer
	getenv         func(string) string
	environ        func() []string
	terminal       bool                                            // stderr is one
	asks           bool                                            // stdin is one, too, so that questions can be asked
	stdin          io.Reader                                       // nil: the system's
	pause          time.Duration                                   // before a try is repeated; 0: imap's own
	commandTime    time.Duration                                   // how long a password_command may take; 0 means 30 s
	hookTime       time.Duration                                   // how long an on_change may take; 0 means 10 minutes
	hooks          sync.Mutex                                      // held while an on_change is run
	pingTime       time.Duration                                   // how long a ping may take; 0 means 5 s
	transport      http.RoundTripper                               // what pings go over; nil: the usual one
	keyring        keyStore                                        // nil: the system's
	provider       func(host string) (oauth.Provider, bool)        // nil: those that are known
	browse         func(ctx context.Context, address string) error // opens a page; nil: the system's browser
	now            func() time.Time                                // nil: time.Now
	tune           func(*imap.Options)                             // changes how servers are spoken to; nil: not at all
	writing        sync.Mutex
	asking         sync.Mutex // held while a password_command has the terminal
}

const exitStatuses = `Exit status:
  0    everything is done
  1    something could not be synced, see the messages
  3    the login was refused, or there is no password
  4    a temporary failure, try again later
  5    something was held back, because it looks like an accident
  6    another run is at work
  64   the command line or the configuration is wrong
  130  stopped by Ctrl-C (143: by SIGTERM), cleanly`

func rootCommand(env *environment) *cobra.Command {
	root := &cobra.Command{
		Use:           "mailtwin",
		Short:         "Keep an IMAP account and a local Maildir twins of each other",
		Version:       version(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return &usageError{fmt.Errorf("there is no command %q; see mailtwin --help", args[0])}
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{fmt.Errorf("%w; see %s --help", err, cmd.CommandPath())}
	})
	root.AddCommand(
		initCommand(env), authCommand(env), syncCommand(env), backupCommand(env), verifyCommand(env), restoreCommand(env), migrateCommand(env),
		statusCommand(env), historyCommand(env), undoCommand(env), demoCommand(env), completionCommand(env), manCommand(env),
	)
	root.CompletionOptions.DisableDefaultCmd = true
	return root
}

// version is what the Go tool knows of this build: a tag, or the commit.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok || info.Main.Version == "" {
		return "unknown"
	}
	return info.Main.Version
}

// noArguments refuses arguments as a mistake in the command line.
func noArguments(cmd *cobra.Command, args []string) error {
	if len(args) > 0 {
		return &usageError{fmt.Errorf("%s takes no arguments, but was given %q", cmd.CommandPath(), args[0])}
	}
	return nil
}

// common are the flags that several verbs share.
type common struct {
	config  string
	json    bool
	quiet   bool
	verbose bool
}

func (c *common) flags(cmd *cobra.Command) {
	c.sourceFlags(cmd)
	f := cmd.Flags()
	f.BoolVarP(&c.quiet, "quiet", "q", false, "no progress and no summary, only what went wrong")
	f.BoolVarP(&c.verbose, "verbose", "v", false, "tell more")
}

// sourceFlags are those of a verb that only tells.
func (c *common) sourceFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVarP(&c.config, "config", "c", "", "the configuration `file` (default $XDG_CONFIG_HOME/mailtwin/config.toml)")
	f.BoolVar(&c.json, "json", false, "print one JSON object a line, for programs")
}

// usersWords are what users call the sides; far and near are words of the code.
var usersWords = strings.NewReplacer(
	"on the far side", "on the server", "on the near side", "in the Maildir",
	"the far side", "the server", "the near side", "the Maildir",
)

// print writes a line of results.
func (env *environment) print(format string, args ...any) {
	env.writing.Lock()
	defer env.writing.Unlock()
	fmt.Fprintf(env.stdout, format+"\n", args...)
}

// complain writes what went wrong, and what to do about it if that is known.
func (env *environment) complain(account string, err error) {
	env.say(account, err)
	env.hint(hintFor(account, err))
}

// say writes what went wrong.
func (env *environment) say(account string, err error) {
	env.writing.Lock()
	defer env.writing.Unlock()
	prefix := "mailtwin: "
	if account != "" {
		prefix += show(account) + ": "
	}
	for _, e := range each(err) {
		fmt.Fprintf(env.stderr, "%s%s\n", prefix, showLong(usersWords.Replace(e.Error())))
	}
}

// hint writes what to do about it; empty is nothing.
func (env *environment) hint(text string) {
	env.writing.Lock()
	defer env.writing.Unlock()
	if text != "" {
		fmt.Fprintf(env.stderr, "hint: %s\n", text)
	}
}

// each takes joined errors apart, so that each gets a line of its own, and a line break in a server's words gets none.
func each(err error) []error {
	switch e := err.(type) { //nolint:errorlint // what is wrapped in words of its own stays one line
	case *usageError:
		return each(e.err)
	case *reported:
		return each(e.err)
	case interface{ Unwrap() []error }:
		if !joined(err, e.Unwrap()) {
			break
		}
		var all []error
		for _, one := range e.Unwrap() {
			all = append(all, each(one)...)
		}
		return all
	}
	return []error{err}
}

// joined tells errors.Join from a fmt.Errorf with several %w, whose text is a sentence.
func joined(err error, parts []error) bool {
	var texts []string
	for _, part := range parts {
		texts = append(texts, part.Error())
	}
	return err.Error() == strings.Join(texts, "\n")
}
