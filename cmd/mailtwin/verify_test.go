package main

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"mailtwin/imap/imaptest"
	"mailtwin/imap/imaptest/gimap"
	"mailtwin/mailbox"
	"mailtwin/state"
	"mailtwin/syncer"
)

func TestVerifyUsage(t *testing.T) {
	for remote, percent := range map[string]int{"": 0, "all": 100, "1%": 1, "100%": 100, "0%": -1, "101%": -1, "5": -1, "%": -1, "some": -1, "-5%": -1} {
		o := verifyOptions{remote: remote}
		if err := o.check(); (err != nil) != (percent < 0) || err == nil && o.percent != percent || err == nil && o.seed == 0 {
			t.Errorf("--remote %q: %v, %d percent, seed %d", remote, err, o.percent, o.seed)
		} else if err != nil && exitStatus(err) != exitUsage {
			t.Errorf("--remote %q: exit status %d", remote, exitStatus(err))
		}
	}
	w, _ := memoryWorld(t, 1)
	w.want(exitUsage, "", "--seed is for --remote", "verify", "--seed", "3")
	w.want(exitUsage, "", "an empty pattern", "verify", "-m", "")
	w.want(0, "", "", "sync")
	w.want(exitUsage, "", "no mailbox has such a name", "verify", "-m", "Nothing")
}

// There are words for each difference that can be, and each says what to do.
func TestVerifyWords(t *testing.T) {
	for kind := syncer.Absent; kind <= syncer.Renumbered; kind++ {
		for _, side := range []syncer.Side{syncer.Far, syncer.Near} {
			for both := range 4 {
				waits, backup := both&1 != 0, both&2 != 0
				d := syncer.Difference{Kind: kind, Side: side, Waits: waits, Err: mailbox.ErrHalf, Pair: mailbox.Pair{Near: "{sync}"}}
				words := wordingOf("work", backup, &d)
				// A Maildir has no UIDVALIDITY, and a mailbox that the server alone has always waits.
				never := kind == syncer.Renumbered && side == syncer.Near || kind == syncer.MailboxUnknown && side == syncer.Far && !waits
				if (words.text == "" || words.hint == "") != never {
					t.Errorf("%s %s, %v: %+v", kind, side, waits, words)
				}
				if rest := strings.ReplaceAll(words.text, "{sync}", "") + words.hint; strings.ContainsAny(rest, "{}") || strings.Contains(rest, " far ") {
					t.Errorf("%s %s, %v: %+v", kind, side, waits, words)
				}
				if backup && strings.Contains(words.hint, "mailtwin sync") {
					t.Errorf("%s %s, %v: a backup is told to sync: %s", kind, side, waits, words.hint)
				}
			}
		}
	}
}

// A Maildir that is not there, or another one, is no list of missing files.
func TestVerifyNoMaildir(t *testing.T) {
	w, _ := memoryWorld(t, 3)
	w.want(0, "", "", "sync")
	away := filepath.Join(w.dir, "away")
	if err := os.Rename(w.maildir(), away); err != nil {
		t.Fatal(err)
	}
	w.want(exitBrake, "", "is the disk mounted", "verify")
	w.absent(w.maildir())
	if err := os.Mkdir(w.maildir(), 0o700); err != nil {
		t.Fatal(err)
	}
	w.want(exitBrake, "", "is empty although 3 messages are known there", "verify")
	w.want(exitBrake, "", "is empty although 3 messages are known there", "verify", "--repair")
	if files, _ := os.ReadDir(w.maildir()); len(files) > 0 {
		t.Errorf("it made %v", files)
	}
}

// A mailbox that is gone here is one difference, and is made again with all that was in it.
func TestVerifyMailboxes(t *testing.T) {
	w, server := memoryWorld(t, 3)
	if err := server.Create("Work"); err != nil {
		t.Fatal(err)
	}
	w.want(0, "", "", "sync")
	inbox := filepath.Join(w.maildir(), "INBOX")
	if err := os.RemoveAll(inbox); err != nil {
		t.Fatal(err)
	}
	w.want(exitProblems, "work: INBOX: the mailbox is missing in the Maildir, with 3 messages\nwork: 1 difference, 0 messages in 2 mailboxes on both sides, in", "is made and filled by", "verify")
	w.want(0, "; mended: made again, and filled from the server", "", "verify", "--repair")
	w.want(0, "", "", "verify", "--deep", "--strict")
	if err := os.Rename(filepath.Join(inbox, "cur"), filepath.Join(w.dir, "cur")); err != nil {
		t.Fatal(err)
	}
	w.want(exitProblems, "work: INBOX: "+inbox+" is not a whole Maildir", "hint: put it back where it was", "verify")
	w.want(0, "; mended: ", "", "verify", "--repair")
	w.want(0, "", "", "verify", "--deep", "--strict")
	if err := os.Mkdir(filepath.Join(w.maildir(), "Empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"cur", "new", "tmp"} {
		if err := os.Mkdir(filepath.Join(w.maildir(), "Empty", part), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	w.want(0, "work: Empty: the mailbox is only in the Maildir, and empty", "", "verify", "-v")
	w.want(exitProblems, "Empty", "makes the mailbox on the server", "verify", "--strict")
}

// What the server has under a number in a mailbox that it numbered anew is another message, and is not fetched for one that
// is missing here. The next sync settles it.
func TestVerifyRenumbered(t *testing.T) {
	w, server := memoryWorld(t, 1)
	account := imaptest.NewAccount(t, server.Addr, server.User, server.Password)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	fill := func(name string, from int) {
		t.Helper()
		must(account.Create(name))
		for n := range 3 {
			_, err := account.Append(name, smallMail(from+n))
			must(err)
		}
	}
	fill("Mid", 0)
	w.want(0, "", "", "sync")
	must(account.Delete("Mid"))
	fill("Other", 10)
	must(account.Rename("Other", "Mid"))
	mid := filepath.Join(w.maildir(), "Mid")
	files, err := filepath.Glob(filepath.Join(mid, "*", "*_1_*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	away := filepath.Join(w.dir, "away")
	must(os.Rename(files[0], away))
	w.want(exitProblems, "work: Mid, UID 1: the file is missing in the Maildir", "hint: the next mailtwin sync work recognises the messages by their content; verify again after it", "verify")
	if strings.Contains(w.stderr, "--repair") {
		t.Errorf("it advises a repair: %s", w.stderr)
	}
	w.want(exitProblems, "; not mended: the server has numbered the mailbox anew; sync first", "verify again after it", "verify", "--repair")
	if strings.Contains(w.stdout, "; mended") {
		t.Error(w.stdout)
	}
	if now, _ := filepath.Glob(filepath.Join(mid, "*", "*_*")); len(now) != 2 {
		t.Errorf("it stored something: %q", now)
	}
	must(os.Rename(away, files[0]))
	must(os.Rename(mid, away))
	w.want(exitProblems, "work: Mid: the mailbox is missing in the Maildir, with 3 messages; not mended: the server has numbered the mailbox anew; sync first", "verify again after it", "verify", "--repair")
	w.absent(mid)
	w.want(0, "work: Mid: new mailbox in the Maildir, 3 downloaded\n", "", "sync", "-v")
	w.want(0, "", "", "verify", "--deep", "--strict")
}

// What comes and is not what is on record is stored nowhere, neither as a new file nor in the place of one.
func TestVerifyStoresOnlyWhatIsOnRecord(t *testing.T) {
	w, _ := memoryWorld(t, 3)
	w.want(0, "", "", "sync")
	ledger, err := state.Open(t.Context(), w.state(), state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	update := mailbox.Update{Mailbox: mailbox.Inbox}
	for pair, err := range ledger.Pairs(t.Context(), mailbox.Inbox) {
		if err != nil {
			t.Fatal(err)
		}
		if pair.Far != "3" {
			pair.Digest[0] ^= 1
			pair.FarDigest = pair.Digest
			update.Put = append(update.Put, pair)
		}
	}
	if err := errors.Join(ledger.Commit(t.Context(), update), ledger.Close()); err != nil {
		t.Fatal(err)
	}
	for _, pair := range update.Put {
		files, err := filepath.Glob(filepath.Join(w.maildir(), "INBOX", "*", string(pair.Near)+"*"))
		if err != nil || len(files) != 1 {
			t.Fatal(files, err)
		}
		if pair.Far == "1" {
			err = os.Remove(files[0])
		} else {
			err = os.WriteFile(files[0], []byte("damaged"), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	w.want(exitProblems, "not mended: what the server has is not what was synced, and was not stored",
		"look for that in another copy of the Maildir, and put it back before the next mailtwin sync work, which takes it for removed\n", "verify", "--repair")
	if strings.Contains(w.stdout, "; mended") || strings.Count(w.stdout, "not what was synced") != 2 {
		t.Error(w.stdout)
	}
	files, err := filepath.Glob(filepath.Join(w.maildir(), "INBOX", "*", "*"))
	if err != nil || len(files) != 2 {
		t.Errorf("there are %q, %v", files, err)
	}
	for _, pair := range update.Put {
		if pair.Far == "1" {
			continue
		}
		at := slices.IndexFunc(files, func(path string) bool { return strings.Contains(path, string(pair.Near)) })
		if text, err := os.ReadFile(files[at]); err != nil || string(text) != "damaged" {
			t.Errorf("%s has %.40q, %v", pair.Near, text, err)
		}
	}
}

// What is on neither side is told once for each, with one hint.
func TestVerifyGoneOnBoth(t *testing.T) {
	w, server := memoryWorld(t, 3)
	account := imaptest.NewAccount(t, server.Addr, server.User, server.Password)
	if err := account.Create("Mid"); err != nil {
		t.Fatal(err)
	}
	if _, err := account.Append("Mid", smallMail(1)); err != nil {
		t.Fatal(err)
	}
	w.want(0, "", "", "sync")
	if err := account.Delete("Mid"); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(filepath.Join(w.maildir(), "Mid")); err != nil {
		t.Fatal(err)
	}
	const hint = "hint: what neither side has any more is settled by the next mailtwin sync work"
	w.want(exitProblems, "work: Mid: the mailbox is missing in the Maildir, with 1 message\n", hint, "verify")
	w.want(exitProblems, "work: Mid: the mailbox is missing in the Maildir, with 1 message; not mended: the server does not have it", hint, "verify", "--repair")
	if strings.Count(w.stderr, "hint: ") != 1 {
		t.Error(w.stderr)
	}
	w.want(0, "", "", "sync")
	w.want(0, "", "", "verify", "--strict")
}

// What a repair replaces is in the attic, also if the attic is cleared in each run. It is no message that vanished.
func TestVerifyAttic(t *testing.T) {
	w, _ := memoryWorld(t, 3)
	w.set("attic", "0d")
	w.want(0, "", "", "sync")
	files, _ := filepath.Glob(filepath.Join(w.maildir(), "INBOX/[cn]*/*"))
	if err := os.WriteFile(files[0], []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	w.want(0, "fetched again", "", "verify", "--repair")
	kept, _ := filepath.Glob(filepath.Join(filepath.Dir(w.state()), "work.attic/*/.replaced/INBOX/cur/*"))
	if len(files) != 3 || len(kept) != 1 {
		t.Fatalf("of %q the attic has %q", files, kept)
	}
	if text, err := os.ReadFile(kept[0]); err != nil || string(text) != "damaged" {
		t.Errorf("%q, %v", text, err)
	}
	w.want(0, "0 messages brought back, 0 there already", "", "restore", "--vanished-since", time.Now().Format(time.DateOnly), "work")
}

// What a backup keeps on purpose is no difference; if it is lost, it is, and nobody can bring it back.
func TestVerifyBackup(t *testing.T) {
	w, server := memoryWorld(t, 3)
	w.set("mode", "backup")
	w.want(exitBrake, "", "hint: do that first: mailtwin backup work", "verify")
	w.want(0, "never synced; run mailtwin backup work", "", "status")
	w.want(0, "", "", "backup")
	account := imaptest.NewAccount(t, server.Addr, server.User, server.Password)
	if err := account.Expunge("INBOX", 2); err != nil {
		t.Fatal(err)
	}
	w.want(exitProblems, "work: INBOX, UID 2: the message is missing on the server", "what vanished on the server stays here; the next mailtwin backup work", "verify")
	w.want(0, "", "", "backup")
	w.want(0, "work: no difference, 2 messages in 1 mailbox on both sides, 1 gone on the server and kept here, 3 read here, in", "", "verify", "-v", "--deep")
	files, err := filepath.Glob(filepath.Join(w.maildir(), "INBOX/[cn]*/*_2_*"))
	if err != nil || len(files) != 1 {
		t.Fatal(files, err)
	}
	text, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(files[0], append(text, 'x'), 0o600); err != nil {
		t.Fatal(err)
	}
	w.want(exitProblems, "the file holds a message of", "hint: the server no longer has the message", "verify")
	w.want(exitProblems, "; not mended: the server does not have it", "hint: the server no longer has the message", "verify", "--repair")
	if again, err := os.ReadFile(files[0]); err != nil || len(again) != len(text)+1 {
		t.Errorf("the repair changed it: %d octets, %v", len(again), err)
	}
}

// What verify receives counts for the quota of the day, and what that is not enough for is left out.
func TestVerifyQuota(t *testing.T) {
	w := gmWorld(t, gimap.Options{})
	for n := range 40 {
		w.deliver(gmMailOf(n, 10_000), `\Inbox`)
	}
	w.syncs("first")
	spent := func() int64 {
		ledger, err := state.OpenReadOnly(w.state())
		if err != nil {
			t.Fatal(err)
		}
		settings, err := ledger.Settings()
		if err != nil {
			t.Fatal(err)
		}
		if err := ledger.Close(); err != nil {
			t.Fatal(err)
		}
		return readTraffic(settings[settingTraffic], time.Now()).had[syncer.Far]
	}
	before := spent()
	w.want(0, "", "", "verify", "--remote", "50%")
	if got := spent() - before; got < 200_000 || got > 350_000 {
		t.Errorf("%d octets were counted", got)
	}
	w.set("quota_down", "1MB")
	w.want(exitTemporary, "", "40 messages were not read from the server again", "verify", "--remote", "all")
	if !slices.ContainsFunc(strings.Split(w.stderr, "\n"), func(line string) bool { return strings.Contains(line, "quota_down") }) {
		t.Error(w.stderr)
	}
	w.want(0, "", "", "verify")
}
