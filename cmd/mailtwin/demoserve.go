package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strconv"

	"mailtwin/imap/imaptest/gimap"
)

// serveDemo serves the account of the demo to other mail programs until it is stopped.
func serveDemo(ctx context.Context, env *environment, address string) (err error) {
	address, err = serveAddress(address)
	if err != nil {
		return err
	}
	server, err := gimap.New(gimap.Options{Addr: address, User: demoUser, Password: demoPassword, NoCompress: true})
	if err != nil {
		return err
	}
	made := deliverMadeUp(server)
	host, port, err := net.SplitHostPort(server.Addr)
	if err != nil {
		return errors.Join(err, server.Close())
	}
	env.print("A server that behaves as Gmail's, with %d made-up messages, for other mail programs:\n"+
		"  host      %s\n  port      %s, plain text, no TLS\n  user      %s\n  password  %s", made.messages, host, port, server.User, server.Password)
	if ip := net.ParseIP(host); ip == nil || !ip.IsLoopback() {
		env.print("Other machines can reach it: whoever knows the password can read and change what is there.")
	}
	env.print("What they change is gone at the end. Ctrl-C ends it.")
	<-ctx.Done()
	if err := server.Close(); err != nil {
		return err
	}
	counted, sent := server.Counters(), 0
	for _, n := range counted.Bodies {
		sent += n
	}
	env.print("\nStopped. It sent %s in all; %s, whole, %s.", octetsFor(counted.Down), plural(len(counted.Bodies), "message"), times(sent))
	return &reported{context.Cause(ctx)}
}

// serveAddress is where to listen. Without a host, it is this machine alone.
func serveAddress(address string) (string, error) {
	if _, err := strconv.Atoi(address); err == nil {
		address = ":" + address
	}
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return "", &usageError{fmt.Errorf("--serve is an address like 127.0.0.1:1143, not %q", address)}
	}
	if _, err := strconv.ParseUint(port, 10, 16); err != nil {
		return "", &usageError{fmt.Errorf("--serve: %q is no port", port)}
	}
	if host == "" {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port), nil
}
