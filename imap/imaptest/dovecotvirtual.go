package imaptest

import (
	"os"
	"path/filepath"
	"strings"
)

// GmailCapability is what Gmail claims after the login, but for what only Google has.
const GmailCapability = "IMAP4rev1 UNSELECT IDLE NAMESPACE ID CHILDREN UIDPLUS ENABLE MOVE CONDSTORE ESEARCH LIST-EXTENDED " +
	"LIST-STATUS LITERAL- SPECIAL-USE"

// AllMail is the mailbox that [DovecotOptions.Virtual] adds. It shows the messages of all mailboxes but Trash and Junk,
// under UIDs of its own and with the same flags, and it holds none: what is removed there is removed where it lies, and
// nothing can be stored there.
const AllMail = "[Gmail]/All Mail"

// prepareVirtual writes down what AllMail shows, and returns the configuration that makes it.
//
// Source: https://doc.dovecot.org/2.3/configuration_manual/virtual_plugin/
func prepareVirtual(dir string) (config string, err error) {
	root := filepath.Join(dir, "virtual")
	shows := filepath.Join(root, filepath.Base(AllMail))
	if err := os.MkdirAll(shows, 0o755); err != nil {
		return "", err
	}
	if err := os.WriteFile(filepath.Join(shows, "dovecot-virtual"), []byte(virtualSearch), 0o644); err != nil {
		return "", err
	}
	return strings.ReplaceAll(virtualConf, "@ROOT@", root), nil
}

const virtualSearch = `*
-[Gmail]/*
-Trash
-Junk
  all
`

const virtualConf = `
namespace gmail {
  prefix = [Gmail]/
  separator = /
  location = virtual:@ROOT@:INDEX=~/virtual
  mailbox "All Mail" {
    special_use = \All
  }
}
`
