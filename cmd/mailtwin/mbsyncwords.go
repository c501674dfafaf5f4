package main

import "mailtwin/rcfile"

// What to say of the keys of mbsync. Those without words are dealt with where their values are read.
var (
	mbsyncLogin = map[string]string{
		"host": "", "port": "", "user": "", "usercmd": "", "pass": "", "passcmd": "", "usekeychain": "", "tunnel": "", "authmech": "", "authmechs": "",
		"requirecram": "", "timeout": "", "ssltype": "", "tlstype": "", "useimaps": "", "requiressl": "", "usetlsv1": "", "certificatefile": "",
		"systemcertificates": "",
		"usesslv2":           tlsWords, "usesslv3": tlsWords, "usetlsv1.1": tlsWords, "usetlsv1.2": tlsWords, "usetlsv1.3": tlsWords, "sslversion": tlsWords,
		"sslversions": tlsWords, "tlsversions": tlsWords,
		"cipherstring":      "there is nothing like it: mailtwin offers what Go takes for safe",
		"clientcertificate": clientWords, "clientkey": clientWords,
		"pipelinedepth":    "there is nothing like it; connections says how many connections there may be at once",
		"disableextension": extensionWords, "disableextensions": extensionWords,
	}
	mbsyncStoreKeys = map[string]string{
		"path": "", "maxsize": "", "mapinbox": "", "flatten": "",
		"trashnewonly": trashWords, "trashremotenew": trashWords,
	}
	mbsyncWordsFor = map[string]map[string]string{
		rcfile.IMAPAccount: mbsyncLogin,
		rcfile.IMAPStore: both(both(mbsyncLogin, mbsyncStoreKeys), map[string]string{
			"account": "", "pathdelimiter": "", "subscribedonly": "", "trash": "",
			"usenamespace": "mailtwin finds that out by itself: a prefix INBOX that all mailboxes have is left out",
		}),
		rcfile.MaildirStore: both(mbsyncStoreKeys, map[string]string{
			"inbox": "", "subfolders": "", "infodelimiter": "",
			"altmap": "mailtwin needs no UIDs in the Maildir; .isyncuidmap.db is left as it is",
			"trash":  "there is nothing like it: what vanished on the server is kept beside the state for a while (attic)",
		}),
		rcfile.Channel: both(mbsyncEverywhere, map[string]string{
			"far": "", "near": "", "master": "", "slave": "", "pattern": "", "patterns": "", "maxsize": "",
		}),
		rcfile.Global: both(mbsyncEverywhere, map[string]string{
			"fielddelimiter": "",
			"fsync":          "mailtwin always has the disk write before it takes a message for stored",
			"bufferlimit":    "there is nothing like it: mailtwin holds no whole message in memory",
		}),
		rcfile.Group: {"channels": ""},
	}
	mbsyncEverywhere = map[string]string{
		"sync": "", "expunge": "", "expungesolo": "", "create": "", "remove": "", "maxmessages": "",
		"expireunread":    "there is nothing like it: a Maildir is whole",
		"expireside":      "there is nothing like it: a Maildir is whole",
		"copyarrivaldate": "mailtwin always keeps the date of arrival",
		"syncstate":       "mailtwin keeps its own state; that of mbsync is left as it is",
	}
)

const (
	tlsWords       = "mailtwin takes TLS 1.2 and later, and nothing else"
	clientWords    = "mailtwin shows the server no certificate of yours; if the server wants one, the login fails"
	extensionWords = "no extension can be switched off but compression (compress = false)"
	trashWords     = "there is nothing like it; delete_remote says what becomes of mail that you remove"
)

// both has the keys of both maps.
func both(a, b map[string]string) map[string]string {
	all := map[string]string{}
	for _, m := range []map[string]string{a, b} {
		for key, text := range m {
			all[key] = text
		}
	}
	return all
}
