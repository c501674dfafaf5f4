package main

const (
	watchWords  = "mailtwin syncs once and ends; run it from cron or a systemd timer, see docs/cron.md"
	hookWords   = "there is nothing like it"
	quickWords  = "mailtwin always looks only into what changed"
	pythonWords = "it only orders things, which means nothing to mailtwin"
)

// What to say of the keys of OfflineIMAP. Those without words are dealt with where their values are read.
var (
	offlineimapGeneral = map[string]string{
		"accounts": "", "pythonfile": "", "socktimeout": "",
		"metadata":          "mailtwin keeps its own state; that of OfflineIMAP is left as it is",
		"maxsyncaccounts":   "mailtwin syncs all accounts side by side",
		"ui":                "mailtwin shows a bar on a terminal, and from cron only what went wrong; see --quiet, --verbose and --json",
		"fsync":             "mailtwin always has the disk write before it takes a message for stored",
		"ignore-readonly":   "mailtwin says what the server refuses",
		"dry-run":           "see mailtwin sync --dry-run",
		"utime_from_header": "files get the date of arrival, not that of the header", "filename_use_mail_timestamp": "names of files that are there stay as they are",
	}
	offlineimapAccountKeys = map[string]string{
		"localrepository": "", "remoterepository": "", "maxsize": "", "maxage": "", "synclabels": "", "maildir-windows-compatible": "",
		"utf8foldernames": "mailtwin always calls directories as people read the names",
		"autorefresh":     watchWords, "quick": quickWords,
		"presynchook": hookWords, "postsynchook": "",
		"labelsheader": "labels are not written into messages", "ignorelabels": "labels are not written into messages",
		"filterheaders":  "mailtwin uploads messages as they are",
		"proxy":          "there is nothing like it: mailtwin connects to the server itself",
		"authproxy":      "there is nothing like it: mailtwin connects to the server itself",
		"status_backend": "mailtwin keeps its own state",
		"skipsleep":      watchWords,
	}
	offlineimapNear = map[string]string{
		"type": "", "localfolders": "", "sep": "", "readonly": "", "sync_deletes": "", "createfolders": "", "startdate": "", "nametrans": "", "folderfilter": "",
		"restoreatime": "mailtwin does not mind the time of the last access", "foldersort": pythonWords,
		"utime_from_header": "files get the date of arrival, not that of the header", "filename_use_mail_timestamp": "names of files that are there stay as they are",
	}
	offlineimapFar = map[string]string{
		"type": "", "remotehost": "", "remotehosteval": "", "remoteport": "", "remoteporteval": "", "remoteuser": "", "remoteusereval": "", "remotepass": "", "remotepasseval": "",
		"remotepassfile": "", "preauthtunnel": "", "transporttunnel": "", "ssl": "", "starttls": "", "sslcacertfile": "", "cert_fingerprint": "", "maxconnections": "",
		"oauth2_access_token": "", "oauth2_access_token_eval": "", "oauth2_refresh_token": "", "oauth2_refresh_token_eval": "", "oauth2_client_id": "", "oauth2_client_secret": "",
		"oauth2_client_id_eval": "", "oauth2_client_secret_eval": "", "oauth2_request_url": "", "readonly": "", "sync_deletes": "", "createfolders": "", "expunge": "", "startdate": "",
		"nametrans": "", "folderfilter": "", "folderincludes": "", "subscribedonly": "", "usecompression": "",
		"ipv6":          "mailtwin takes what the name of the server comes to, IPv6 or not",
		"sslclientcert": clientWords, "sslclientkey": clientWords,
		"ssl_version": tlsWords, "tls_level": tlsWords,
		"remote_identity":       "there is nothing like it: mailtwin logs in as the user whose mail it syncs",
		"auth_mechanisms":       `mailtwin logs in with the password itself (PLAIN, LOGIN), within TLS, or with a token (auth = "oauth2")`,
		"reference":             "mailtwin syncs all mailboxes that the account has; see mailboxes",
		"decodefoldernames":     "mailtwin always calls directories as people read the names",
		"idlefolders":           watchWords,
		"holdconnectionopen":    watchWords,
		"keepalive":             watchWords,
		"singlethreadperfolder": "mailtwin spreads its connections by itself",
		"foldersort":            pythonWords,
		"dynamic_folderfilter":  "mailboxes is read at each run",
		"newmail_hook":          hookWords,
		"copy_ignore_eval":      "there is nothing like it; what the server does not hand over is told, and tried again later",
		"retrycount":            "mailtwin tries again by itself",
		"trashfolder":           "mailtwin knows Gmail's Trash by itself",
		"spamfolder":            "mailtwin knows Gmail's Spam by itself",
	}
)
