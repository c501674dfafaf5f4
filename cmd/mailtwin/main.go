// Command mailtwin keeps an IMAP account and a local Maildir twins of each other.
//
// One file for each verb; config.go reads the configuration, adapters.go introduces the sides to the engine, exit.go
// knows the exit statuses, and show.go is the only way in which foreign text reaches the screen.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"strings"
	"syscall"

	"golang.org/x/term"
)

func main() {
	noCoreFile()
	stayLean()
	getenv, err := takePasswords()
	if err != nil {
		fmt.Fprintf(os.Stderr, "mailtwin: %v\n", err)
		os.Exit(exitProblems)
	}
	env := &environment{
		stdout: os.Stdout, stderr: os.Stderr, getenv: getenv, environ: os.Environ,
		terminal: term.IsTerminal(int(os.Stderr.Fd())),
		asks:     term.IsTerminal(int(os.Stderr.Fd())) && term.IsTerminal(int(os.Stdin.Fd())),
	}
	ctx, stop := untilSignal(context.Background())
	status := run(ctx, env, os.Args[1:])
	stop()
	os.Exit(status)
}

// takePasswords takes the passwords out of the environment, which every program that is started would get, those too
// that a library starts to ask a keyring (S17). What it returns still knows them.
func takePasswords() (getenv func(string) string, err error) {
	taken := map[string]string{}
	for _, entry := range os.Environ() {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, passwordEnv) {
			taken[name] = value
			err = errors.Join(err, os.Unsetenv(name))
		}
	}
	return func(name string) string {
		if value, ok := taken[name]; ok {
			return value
		}
		return os.Getenv(name)
	}, err
}

// stayLean has the garbage collector run three times as often as is usual, unless the user decided. A sync waits for the
// server and the disk most of the time, and the first sync of 100,000 messages needs a fifth less memory.
func stayLean() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(35)
	}
}

// A stopped is the cause of a context that a signal ended.
type stopped struct{ signal syscall.Signal }

func (s stopped) Error() string { return "stopped by " + s.signal.String() }

// untilSignal ends the context at the first SIGINT or SIGTERM; the second one ends the process the hard way.
func untilSignal(parent context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case s := <-signals:
			signal.Stop(signals)
			number, _ := s.(syscall.Signal)
			cancel(stopped{number})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { cancel(nil); signal.Stop(signals) }
}

// run executes a command line and returns the exit status.
func run(ctx context.Context, env *environment, args []string) int {
	root := rootCommand(env) //nolint:contextcheck // cobra hands the context to the verbs
	root.SetArgs(args)
	root.SetOut(env.stdout)
	root.SetErr(env.stderr)
	err := root.ExecuteContext(ctx)
	var cause stopped
	if err != nil && errors.As(context.Cause(ctx), &cause) && !errors.As(err, new(*reported)) {
		err = cause
	}
	if err != nil && !errors.As(err, new(*reported)) {
		env.complain("", err)
	}
	return exitStatus(err)
}
