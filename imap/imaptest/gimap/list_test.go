package gimap

import (
	"regexp"
	"strings"
	"testing"
)

func TestE10List(t *testing.T) {
	c := enter(t, Options{})
	c.exact(`LIST "" "[Gmail]*"`,
		`* LIST (\HasChildren \Noselect) "/" "[Gmail]"`, `* LIST (\All \HasNoChildren) "/" "[Gmail]/All Mail"`, `* LIST (\Drafts \HasNoChildren) "/" "[Gmail]/Drafts"`,
		`* LIST (\HasNoChildren \Important) "/" "[Gmail]/Important"`, `* LIST (\HasNoChildren \Sent) "/" "[Gmail]/Sent Mail"`, `* LIST (\HasNoChildren \Junk) "/" "[Gmail]/Spam"`,
		`* LIST (\Flagged \HasNoChildren) "/" "[Gmail]/Starred"`, `* LIST (\HasNoChildren \Trash) "/" "[Gmail]/Trash"`, "OK Success")
	c.exact(`LIST "" "%"`, `* LIST (\HasNoChildren) "/" "INBOX"`, `* LIST (\HasNoChildren) "/" "Work"`, `* LIST (\HasChildren \Noselect) "/" "[Gmail]"`, "OK Success")
	c.exact(`LIST "" ""`, `* LIST (\Noselect) "/" "/"`, "OK Success")
	c.exact(`LIST "" "[Gmail]/T%" RETURN (STATUS (UIDNEXT MESSAGES))`, `* LIST (\HasNoChildren) "/" "[Gmail]/Trash"`, `* STATUS "[Gmail]/Trash" (MESSAGES 0 UIDNEXT 1)`, "OK Success")
	c.exact(`LIST "" "[Gmail]%" RETURN (SPECIAL-USE STATUS (MESSAGES))`, `* LIST (\HasChildren \NonExistent) "/" "[Gmail]"`, "OK Success")
	c.exact(`LIST "" "[Gmail]/T%" RETURN (SPECIAL-USE SUBSCRIBED)`, `* LIST (\HasNoChildren \Subscribed \Trash) "/" "[Gmail]/Trash"`, "OK Success")
	c.exact(`LIST "" "[Gmail]" RETURN (SUBSCRIBED CHILDREN)`, `* LIST (\HasChildren \NonExistent \Subscribed) "/" "[Gmail]"`, "OK Success")
	c.want(`^\* LIST \(\\All \\HasNoChildren \\Subscribed\).*\\Trash\) "/" "\[Gmail\]/Trash"\nOK Success`, `LIST (SPECIAL-USE) "" "*" RETURN (SUBSCRIBED CHILDREN)`)
	c.web.MakeLabel("+x")
	c.exact(`LIST "" "+*" RETURN (STATUS (UNSEEN UIDVALIDITY UIDNEXT RECENT MESSAGES HIGHESTMODSEQ))`,
		`* LIST (\HasNoChildren) "/" +x`, `* STATUS +x (HIGHESTMODSEQ 29260 MESSAGES 0 RECENT 0 UIDNEXT 1 UIDVALIDITY 24 UNSEEN 0)`, "OK Success")
}

func TestE10OlderLists(t *testing.T) {
	c := enter(t, Options{})
	c.exact(`LSUB "" "[Gmail]%"`, `* LSUB (\HasChildren \NonExistent) "/" "[Gmail]"`, "OK Success")
	c.exact(`LSUB "" "[Gmail]/T%"`, `* LSUB (\HasNoChildren) "/" "[Gmail]/Trash"`, "OK Success")
	c.exact(`XLIST "" "[Gmail]*"`,
		`* XLIST (\Noselect \HasChildren) "/" "[Gmail]"`, `* XLIST (\HasNoChildren \AllMail) "/" "[Gmail]/All Mail"`, `* XLIST (\HasNoChildren \Drafts) "/" "[Gmail]/Drafts"`,
		`* XLIST (\HasNoChildren \Important) "/" "[Gmail]/Important"`, `* XLIST (\HasNoChildren \Sent) "/" "[Gmail]/Sent Mail"`, `* XLIST (\HasNoChildren \Spam) "/" "[Gmail]/Spam"`,
		`* XLIST (\HasNoChildren \Starred) "/" "[Gmail]/Starred"`, `* XLIST (\HasNoChildren \Trash) "/" "[Gmail]/Trash"`, "OK Success")
}

// Whether special uses and STATUS can be asked for at once, and whether special uses show unasked, is not known.
func TestE10Unknown(t *testing.T) {
	for _, unasked := range []bool{false, true} {
		c := enter(t, Options{UseUnasked: unasked})
		if got := c.want("OK Success", `LIST "" "*" RETURN (STATUS (MESSAGES))`); strings.Contains(got, `\Trash`) != unasked {
			t.Error(got)
		}
	}
	for _, alone := range []bool{false, true} {
		c := enter(t, Options{UseAlone: alone})
		c.want(map[bool]string{false: "OK Success", true: badCommand}[alone], `LIST "" "*" RETURN (SPECIAL-USE STATUS (MESSAGES))`)
		c.want("OK Success", `LIST "" "*" RETURN (SPECIAL-USE)`)
		c.want("OK Success", `LIST "" "*" RETURN (STATUS (MESSAGES))`)
	}
}

func TestE11Locale(t *testing.T) {
	for locale, names := range map[string]string{
		"en":    `All All Mail, Drafts Drafts, Important Important, Sent Sent Mail, Junk Spam, Flagged Starred, Trash Trash`,
		"en-GB": `All All Mail, Drafts Drafts, Important Important, Sent Sent Mail, Junk Spam, Flagged Starred, Trash Bin`,
		"de":    `All Alle Nachrichten, Drafts Entw&APw-rfe, Important Wichtig, Sent Gesendet, Junk Spam, Flagged Markiert, Trash Papierkorb`,
		"pl":    `All Wszystkie, Drafts Wersje robocze, Important Wa&AXw-ne, Sent Wys&AUI-ane, Junk Spam, Flagged Oznaczone gwiazdk&AQU-, Trash Kosz`,
		"ja": `All &MFkweTBmMG4w4TD8MOs-, Drafts &Tgtm+DBN-, Important &kc2JgQ-, Sent &kAFP4W4IMH8w4TD8MOs-, Junk &j,dg0TDhMPww6w-, ` +
			`Flagged &MLkwvzD8TtgwTQ-, Trash &MLQw33ux-`,
	} {
		c := enter(t, Options{Locale: locale})
		for pair := range strings.SplitSeq(names, ", ") {
			use, name, _ := strings.Cut(pair, " ")
			c.want(`\* LIST \((\\HasNoChildren )?\\`+use+`( \\HasNoChildren)?\) "/" "\[Gmail\]/`+regexp.QuoteMeta(name)+`"\n.*`, `LIST (SPECIAL-USE) "" "*"`)
		}
	}
	c := enter(t, Options{Prefix: "[Google Mail]"})
	c.want(`OK \[READ-WRITE\].*`, `SELECT "[Google Mail]/All Mail"`)
	c.web.Hide("[Google Mail]/All Mail")
	if got := c.want("OK Success", `LIST "" "*"`); strings.Contains(got, "All Mail") {
		t.Errorf("it is hidden, and listed: %s", got)
	}
	c.want(`NO \[NONEXISTENT\] Unknown Mailbox: .*`, `EXAMINE "[Google Mail]/All Mail"`)
	c.want(badState, "FETCH 1 (UID)")
	if len(c.s.Messages()) != 3 {
		t.Error("mail is gone")
	}
}

func TestE14Folders(t *testing.T) {
	c := enter(t, Options{})
	c.exact("CREATE a/b/c", "OK Success")
	c.exact(`LIST "" "a*"`, `* LIST (\HasChildren \Noselect) "/" "a"`, `* LIST (\HasChildren \Noselect) "/" "a/b"`, `* LIST (\HasNoChildren) "/" "a/b/c"`, "OK Success")
	const notAllowed, spaces = `NO Folder name is not allowed\. \(Failure\)`, `NO \[CANNOT\] Folder contains excess whitespace \(Failure\)`
	for name, want := range map[string]string{
		"Work": `NO \[ALREADYEXISTS\] Duplicate folder name Work \(Failure\)`, "WORK": `NO Folder name conflicts with existing folder name\. \(Failure\)`,
		"todo": notAllowed, "Archive": notAllowed, "MUTED": notAllowed, "Voicemail": notAllowed, "Migrated": notAllowed, "Trash": notAllowed, `"a^b"`: notAllowed,
		`"a  b"`: spaces, `" a"`: spaces, `"a "`: spaces, "x/": notAllowed, `"[Gmail]/x"`: notAllowed, "[Gmail]": notAllowed, strings.Repeat("x", 226): notAllowed,
	} {
		c.want("^"+want+"$", "CREATE "+name)
	}
	c.exact("CREATE "+strings.Repeat("x", 225), "OK Success")
	c.exact("RENAME a/b z", "OK Success")
	c.exact(`LIST "" "z*"`, `* LIST (\HasChildren \Noselect) "/" "z"`, `* LIST (\HasNoChildren) "/" "z/c"`, "OK Success")
	c.want(`NO \[ALREADYEXISTS\] .*`, "RENAME z/c Work")
	before := c.folder("Work")
	c.exact("RENAME Work Job", "OK Success")
	if after := c.folder("Job"); after.Validity != before.Validity || after.Next != before.Next || c.uid("Job", 2) != 2 {
		t.Errorf("renamed: %+v, was %+v", after, before)
	}
	c.do("SELECT INBOX")
	c.want(`NO \[NONEXISTENT\] Unknown Mailbox: Work \(now in authenticated state\) \(Failure\)`, "SELECT Work")
	c.want(badState, "FETCH 1 (UID)")
	c.exact("DELETE Job", "OK Success")
	if m := c.s.Messages()[1]; len(m.Labels) != 1 || m.Folders["[Gmail]/All Mail"] == 0 {
		t.Errorf("its mail is %+v", m)
	}
	for _, same := range []bool{false, true} {
		c.s.Set(func(o *Options) { o.SameValidity = same })
		c.do("DELETE Job")
		c.exact("CREATE Job", "OK Success")
		if (c.folder("Job").Validity == before.Validity) != same {
			t.Errorf("made again with UIDVALIDITY %d, was %d", c.folder("Job").Validity, before.Validity)
		}
		before = c.folder("Job")
	}
	c.want("NO .*", `DELETE "[Gmail]/Trash"`)
}

// How long labels may be and how many there may be is not known for sure.
func TestE14Limits(t *testing.T) {
	c := enter(t, Options{LabelLength: 4, Labels: 2})
	c.do("SELECT INBOX")
	c.want(`NO Folder name is not allowed.*`, "CREATE fiver")
	c.want(`BAD Invalid Arguments: Label name is not allowed: fiver`, "UID STORE 1 +X-GM-LABELS (fiver)")
	c.exact("CREATE four", "OK Success")
	c.exact("CREATE more", tooMany)
	c.exact("UID STORE 1 +X-GM-LABELS (more)", tooMany)
	c.want("OK Success", "UID STORE 1 +X-GM-LABELS (four)")
}

func (c *client) folder(name string) Folder {
	for _, f := range c.s.Folders() {
		if f.Name == name {
			return f
		}
	}
	return Folder{}
}
