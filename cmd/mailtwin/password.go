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
	"time"
)

const (
	commandTime   = 30 * time.Second // how long password_command may take
	commandOutput = 4 << 10          // octets that it may print
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
	return "", fmt.Errorf("no password: set password_command in the configuration, or $%s", name)
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
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	words := c.words
	if c.line != "" {
		words = []string{"sh", "-c", c.line}
	}
	var stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, words[0], words[1:]...)
	cmd.Env = env.childEnvironment()
	cmd.Stderr = &limited{w: &stderr, left: commandOutput}
	cmd.WaitDelay = time.Second
	out := &limited{w: new(bytes.Buffer), left: commandOutput + 1}
	cmd.Stdout = out
	err := cmd.Run()
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("password_command did not end within %s", commandTime)
	case err != nil:
		return "", fmt.Errorf("password_command: %w: %s", err, show(strings.TrimSpace(stderr.String())))
	case out.left <= 0:
		return "", fmt.Errorf("password_command printed more than %d octets", commandOutput)
	}
	secret := strings.TrimSuffix(out.w.String(), "\n")
	return strings.TrimSuffix(secret, "\r"), nil
}

// limited keeps only so much of what is written to it.
type limited struct {
	w    *bytes.Buffer
	left int
}

func (l *limited) Write(p []byte) (int, error) {
	if len(p) >= l.left {
		l.w.Write(p[:max(0, l.left)])
		l.left = 0
		return 0, io.ErrShortWrite
	}
	l.left -= len(p)
	return l.w.Write(p)
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
