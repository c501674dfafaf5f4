package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

const (
	commandTime   = 30 * time.Second // how long password_command may take
	commandOutput = 4 << 10          // octets that it may print
	tokenOutput   = 16 << 10         // and a token_command: Microsoft's tokens are long
	passwordEnv   = "MAILTWIN_PASSWORD_"
)

// password returns how to get the password of an account: from the configuration, from a command, or from the
// environment. It is asked for at the first login and kept for the others of the run.
func (env *environment) password(a *account) func(context.Context) (string, error) {
	var mu sync.Mutex
	var known string
	return func(ctx context.Context) (string, error) {
		mu.Lock()
		defer mu.Unlock()
		if known != "" {
			return known, nil
		}
		secret, err := env.findPassword(ctx, a)
		if err == nil {
			err = checkPassword(secret)
		}
		if err != nil {
			return "", err
		}
		known = secret
		return known, nil
	}
}

func (env *environment) findPassword(ctx context.Context, a *account) (string, error) {
	switch {
	case a.Password != "":
		return a.Password, nil
	case a.PasswordCommand.given():
		return env.runPasswordCommand(ctx, a.PasswordCommand)
	}
	name := passwordVariable(a.name)
	if secret := env.getenv(name); secret != "" {
		return secret, nil
	}
	secret, err := env.fromKeyring(ctx, a, keyringTime)
	if err != nil {
		return "", fmt.Errorf("%w; or set password_command in the configuration, or $%s", err, name)
	}
	return secret, nil
}

// passwordVariable is the environment variable of an account: upper case, and "_" for whatever a variable cannot hold.
func passwordVariable(account string) string {
	return passwordEnv + strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z':
			return r - 'a' + 'A'
		case r >= 'A' && r <= 'Z', r >= '0' && r <= '9':
			return r
		}
		return '_'
	}, account)
}

func checkPassword(secret string) error {
	if secret == "" {
		return errors.New("the password is empty")
	}
	if strings.ContainsAny(secret, "\r\n\x00") {
		return errors.New("the password has more than one line, or a NUL")
	}
	return nil
}

func (env *environment) runPasswordCommand(ctx context.Context, c command) (string, error) {
	return env.runCommand(ctx, keyPasswordCommand, commandOutput, c)
}

// runCommand runs a command of the configuration and returns what it printed, without the newline at its end. A list of
// words is run as it is; one text goes to the shell.
func (env *environment) runCommand(parent context.Context, key string, most int, c command) (string, error) {
	if env.asks { // two programs must not ask on one terminal at a time
		env.asking.Lock()
		defer env.asking.Unlock()
	}
	ctx, cancel := context.WithTimeout(parent, env.patience())
	defer cancel()
	words := c.argv()
	stdout, stderr := &limited{left: most}, &limited{left: commandOutput}
	cmd := exec.CommandContext(ctx, words[0], words[1:]...) //nolint:gosec // the user's own command
	cmd.Env = env.childEnvironment()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.WaitDelay = time.Second // for what it started and left running
	if !env.asks {              // a program that asks on the terminal must stay in its foreground
		inGroup(cmd)
	}
	err := cmd.Run()
	switch {
	case parent.Err() != nil:
		return "", parent.Err()
	case ctx.Err() != nil:
		return "", fmt.Errorf("%s did not end within %s", key, env.patience())
	case stdout.full:
		return "", fmt.Errorf("%s printed more than %d octets", key, most)
	case err != nil && stderr.kept.Len() > 0:
		return "", fmt.Errorf("%s: %w: %s", key, err, showLines(stderr.kept.String()))
	case err != nil:
		return "", fmt.Errorf("%s: %w", key, err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(stdout.kept.String(), "\n"), "\r"), nil
}

// inGroup has a command die with all that it started, when its time is over.
func inGroup(cmd *exec.Cmd) {
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
}

// argv are the words of a command, for which one text goes to the shell.
func (c command) argv() []string {
	if c.line != "" {
		return []string{"sh", "-c", c.line}
	}
	return c.words
}

// patience is how long a password_command may take.
func (env *environment) patience() time.Duration {
	if env.commandTime > 0 {
		return env.commandTime
	}
	return commandTime
}

// limited keeps only so much of what is written to it. More is an error, which ends a program that goes on writing.
type limited struct {
	kept bytes.Buffer
	left int
	full bool
}

func (l *limited) Write(p []byte) (int, error) {
	n := min(len(p), l.left)
	l.left -= n
	l.kept.Write(p[:n])
	if n < len(p) {
		l.full = true
		return n, io.ErrShortWrite
	}
	return n, nil
}

// childEnvironment is the environment of other programs: without anybody's password.
func (env *environment) childEnvironment() []string {
	var kept []string
	for _, entry := range env.environ() {
		if !strings.HasPrefix(entry, passwordEnv) {
			kept = append(kept, entry)
		}
	}
	return kept
}
