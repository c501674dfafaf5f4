package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"mailtwin/imap/imaptest"
	"mailtwin/state"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"mailtwin": main})
}

// TestScript runs testdata/script: the program as its users see it. Each script has an account of its own, on one
// server in this process, and a configuration that reaches it.
func TestScript(t *testing.T) {
	server := imaptest.Memory(t)
	host, port, err := net.SplitHostPort(server.Addr)
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(env *testscript.Env) error {
			user := server.NewUser()
			env.Setenv("HOME", env.WorkDir)
			env.Setenv("MAILTWIN_PASSWORD_WORK", server.Password)
			env.Setenv("HOST", host)
			env.Setenv("PORT", port)
			env.Setenv("LOGIN", user)
			env.Values[accountKey] = func() (*imaptest.Account, error) {
				return imaptest.OpenAccount(server.Addr, user, server.Password)
			}
			dir := filepath.Join(env.WorkDir, ".config", "mailtwin")
			if err := os.MkdirAll(dir, 0o700); err != nil {
				return err
			}
			config := fmt.Sprintf("[accounts.work]\nhost = %q\nport = %s\ntls = \"none\"\nuser = %q\nmaildir = \"~/Mail\"\n", host, port, user)
			return os.WriteFile(filepath.Join(dir, "config.toml"), []byte(config), 0o600)
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"imap": scriptIMAP, "maildir": scriptMaildir, "hold": scriptHold, "fails": scriptFails,
		},
	})
}

type scriptKey string

const accountKey scriptKey = "account"

// scriptIMAP is another mail program's view of the account:
//
//	imap create MAILBOX | append MAILBOX FILE | flag MAILBOX FILE FLAG | expunge MAILBOX FILE | clear MAILBOX | show
func scriptIMAP(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: imap VERB ...")
	}
	open, ok := ts.Value(accountKey).(func() (*imaptest.Account, error))
	if !ok {
		ts.Fatalf("there is no account")
	}
	account, err := open()
	ts.Check(err)
	defer func() { ts.Check(account.Close()) }()
	switch verb := args[0]; {
	case verb == "create" && len(args) == 2:
		ts.Check(account.Create(args[1]))
	case verb == "append" && len(args) == 3:
		body := bytes.ReplaceAll([]byte(ts.ReadFile(args[2])), []byte("\n"), []byte("\r\n"))
		_, err := account.Append(args[1], imaptest.Message{Body: body})
		ts.Check(err)
	case verb == "flag" && len(args) == 4:
		ts.Check(account.Flag(args[1], uidsOf(ts, account, args[1], args[2]), []string{args[3]}, nil))
	case verb == "expunge" && len(args) == 3:
		ts.Check(account.Expunge(args[1], uidsOf(ts, account, args[1], args[2])...))
	case verb == "clear" && len(args) == 2:
		ts.Check(account.Expunge(args[1], uidsOf(ts, account, args[1], "")...))
	case verb == "show" && len(args) == 1:
		view, err := account.View()
		ts.Check(err)
		showView(ts, view)
	default:
		ts.Fatalf("imap %s: what is that?", strings.Join(args, " "))
	}
}

// uidsOf finds the messages that have the content of a file. No file stands for all messages.
func uidsOf(ts *testscript.TestScript, account *imaptest.Account, mailbox, file string) []uint32 {
	copies, err := account.Read(mailbox)
	ts.Check(err)
	var uids []uint32
	for _, c := range copies {
		if file == "" || c.Sum == sumOf(ts, file) {
			uids = append(uids, c.UID)
		}
	}
	if len(uids) == 0 {
		ts.Fatalf("%s has no message %s", mailbox, file)
	}
	return uids
}

func sumOf(ts *testscript.TestScript, file string) [32]byte {
	return imaptest.Message{Body: bytes.ReplaceAll([]byte(ts.ReadFile(file)), []byte("\n"), []byte("\r\n"))}.Sum()
}

// scriptMaildir is a mail program's view of $HOME/Mail:
//
//	maildir deliver MAILBOX FILE | flag MAILBOX FILE FLAG | remove MAILBOX FILE | clear MAILBOX | show
func scriptMaildir(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) == 0 {
		ts.Fatalf("usage: maildir VERB ...")
	}
	tree := imaptest.Tree{Root: ts.MkAbs(filepath.Join(ts.Getenv("HOME"), "Mail"))}
	switch verb := args[0]; {
	case verb == "deliver" && len(args) == 3:
		body := bytes.ReplaceAll([]byte(ts.ReadFile(args[2])), []byte("\n"), []byte("\r\n"))
		_, err := tree.Deliver(args[1], imaptest.Message{Body: body})
		ts.Check(err)
	case verb == "flag" && len(args) == 4:
		for _, c := range filesOf(ts, tree, args[1], args[2]) {
			_, err := tree.Flag(c, []string{args[3]}, nil)
			ts.Check(err)
		}
	case verb == "remove" && len(args) == 3:
		for _, c := range filesOf(ts, tree, args[1], args[2]) {
			ts.Check(tree.Remove(c))
		}
	case verb == "clear" && len(args) == 2:
		for _, c := range filesOf(ts, tree, args[1], "") {
			ts.Check(tree.Remove(c))
		}
	case verb == "show" && len(args) == 1:
		view, err := tree.View()
		ts.Check(err)
		showView(ts, view)
	default:
		ts.Fatalf("maildir %s: what is that?", strings.Join(args, " "))
	}
}

func filesOf(ts *testscript.TestScript, tree imaptest.Tree, mailbox, file string) []imaptest.Copy {
	copies, err := tree.Read(mailbox)
	ts.Check(err)
	if file != "" {
		sum := sumOf(ts, file)
		copies = slices.DeleteFunc(copies, func(c imaptest.Copy) bool { return c.Sum != sum })
	}
	if len(copies) == 0 {
		ts.Fatalf("%s has no message %s", mailbox, file)
	}
	return copies
}

// showView prints a line for each mailbox and message, the same for both sides.
func showView(ts *testscript.TestScript, view imaptest.View) {
	var lines []string
	for _, name := range view.Mailboxes {
		lines = append(lines, name+"\n")
	}
	for _, c := range view.Copies {
		lines = append(lines, fmt.Sprintf("%s %x [%s]\n", c.Mailbox, c.Sum[:4], c.Flags))
	}
	slices.Sort(lines)
	_, err := fmt.Fprint(ts.Stdout(), strings.Join(lines, ""))
	ts.Check(err)
}

// scriptHold keeps the state of the account locked until the script ends, as another run would.
func scriptHold(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: hold STATE")
	}
	ledger, err := state.Open(context.Background(), ts.MkAbs(args[0]), state.Options{})
	ts.Check(err)
	ts.Defer(func() { ts.Check(ledger.Close()) })
}

// scriptFails runs a program that has to end with this exit status: fails STATUS PROGRAM ARG...
func scriptFails(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: fails STATUS PROGRAM ARG...")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	var exit *exec.ExitError
	if err := ts.Exec(args[1], args[2:]...); !errors.As(err, &exit) || exit.ExitCode() != want {
		ts.Fatalf("%v, want exit status %d", err, want)
	}
}
