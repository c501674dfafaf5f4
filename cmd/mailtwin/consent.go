package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"runtime"
	"strings"

	"mailtwin/imap/oauth"
)

// consent asks the user for a grant, in one of three ways.
func (env *environment) consent(ctx context.Context, p *prompt, a *account, o consentOptions) (*oauth.Grant, oauth.Token, error) {
	client := env.client(a)
	if !o.device {
		return env.consentByBrowser(ctx, p, a, client, o.paste)
	}
	if client.Provider.DeviceURL == "" {
		return nil, oauth.Token{}, &usageError{fmt.Errorf("%s allows no --device for mail; use --paste", client.Provider.Name)}
	}
	return client.Device(ctx, func(address, code string) {
		p.say("Open %s in any browser, and type the code %s there. Waiting.", show(address), show(code))
	})
}

// consentByBrowser takes whatever comes first: the browser of this machine, or an address that is pasted.
func (env *environment) consentByBrowser(ctx context.Context, p *prompt, a *account, client *oauth.Client, paste bool) (
	_ *oauth.Grant, _ oauth.Token, err error,
) {
	listening, err := oauth.Listen(ctx, client.Provider.Loopback)
	if err != nil {
		return nil, oauth.Token{}, fmt.Errorf("wait for the browser: %w", err)
	}
	defer func() { err = errors.Join(err, listening.Close()) }()
	flow := client.Begin(listening.URL(), a.User)
	p.say("Allow mailtwin to read and change your mail, on this page of %s:\n\n%s\n", client.Provider.Name, flow.URL())
	if !paste {
		if err := env.open(ctx, flow.URL()); err != nil {
			p.say("No browser could be started (%s); open the page yourself.", showLong(err.Error()))
		}
	}
	if paste || p.terminal {
		p.say("If the browser runs on another machine: at the end it shows an address that begins with %s. Paste it here.", listening.URL())
	}
	code, err := firstCode(ctx, p, listening, flow, paste || p.terminal)
	if err != nil {
		return nil, oauth.Token{}, err
	}
	return flow.Redeem(ctx, code)
}

// firstCode waits for the browser, and for lines on the terminal.
func firstCode(ctx context.Context, p *prompt, listening *oauth.Loopback, flow *oauth.Flow, pasted bool) (string, error) {
	type answer struct {
		code string
		err  error
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var typed answer
	errTyped := errors.New("an address was pasted")
	if pasted {
		go func() { // a terminal cannot be interrupted; the process ends with the read still waiting
			code, err := p.pastedCode(flow)
			if code == "" && err == nil && !p.terminal {
				err = &usageError{errors.New("no address was pasted")}
			}
			if code != "" || err != nil {
				typed = answer{code, err}
				cancel(errTyped)
			}
		}()
	}
	code, err := listening.Wait(ctx, flow)
	if errors.Is(err, errTyped) {
		return typed.code, typed.err
	}
	return code, err
}

// pastedCode reads lines until one of them is the address that the flow waits for. Without one it returns nothing, and
// the browser may still come.
func (p *prompt) pastedCode(flow *oauth.Flow) (string, error) {
	lines := bufio.NewScanner(p.in)
	for lines.Scan() {
		line := strings.TrimSpace(lines.Text())
		if line == "" {
			continue
		}
		code, err := flow.Pasted(line)
		if err == nil || errors.As(err, new(*oauth.Refusal)) {
			return code, err
		}
		p.say("%s. Paste the whole address.", showLong(err.Error()))
	}
	return "", lines.Err()
}

var errNoScreen = errors.New("there is no screen here")

// open shows a page in the user's browser, which is given nobody's password (S17).
func (env *environment) open(ctx context.Context, page string) error {
	if env.browse != nil {
		return env.browse(ctx, page)
	}
	program := "xdg-open"
	switch {
	case runtime.GOOS == "darwin":
		program = "open"
	case env.getenv("DISPLAY") == "" && env.getenv("WAYLAND_DISPLAY") == "":
		return errNoScreen
	}
	cmd := exec.Command(program, page) //nolint:gosec,noctx // the page is ours, and the browser outlives the run
	cmd.Env = env.childEnvironment()
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() { _ = cmd.Wait() }() // what becomes of it shows in the browser
	return nil
}
