package imaptest

import (
	"fmt"
	"net"
	"os"
	"os/user"
	"strconv"
	"strings"
)

// An owner is the system user that holds the mail. Dovecot refuses to be root when it touches mail.
type owner struct {
	root     bool // Dovecot itself is started as root
	name     string
	uid, gid int
	group    string
}

func findOwner() (owner, error) {
	me, err := user.Current()
	if err != nil {
		return owner{}, err
	}
	o := owner{root: os.Getuid() == 0}
	if o.root {
		if me, err = user.Lookup("nobody"); err != nil {
			return owner{}, err
		}
	}
	group, err := user.LookupGroupId(me.Gid)
	if err != nil {
		return owner{}, err
	}
	o.name, o.group = me.Username, group.Name
	if o.uid, err = strconv.Atoi(me.Uid); err != nil {
		return owner{}, err
	}
	o.gid, err = strconv.Atoi(me.Gid)
	return o, err
}

// prepareHome makes the directory for mail and opens the way to it for the user who is to hold it.
func prepareHome(dir, home string) (owner, error) {
	o, err := findOwner()
	if err != nil {
		return owner{}, err
	}
	if err := os.MkdirAll(home, 0o700); err != nil {
		return owner{}, err
	}
	if !o.root {
		return o, nil
	}
	if err := os.Chmod(dir, 0o755); err != nil {
		return owner{}, err
	}
	return o, os.Chown(home, o.uid, o.gid)
}

// config writes a configuration for a server that is quick, waits for nobody and protects nothing. The mail is not
// synced to disk: what is tested is never Dovecot's durability. It keeps no index of its list of mailboxes, for with
// one 2.3.19 locks up, or aborts with "Resource deadlock avoided", when the first sessions of an account come at once;
// DovecotOptions.Extra can turn it on again.
func (s *Server) config(dir string, o owner, opts DovecotOptions) string {
	storage := opts.Storage
	if storage == "" {
		storage = "sdbox"
	}
	place := map[string]string{"sdbox": "sdbox:~/mail", "maildir": "maildir:~/Maildir:LAYOUT=fs"}[storage]
	capability := ""
	if opts.Capability != "" {
		capability = "imap_capability = " + opts.Capability
	}
	plugins := ""
	if opts.Virtual {
		plugins = " virtual"
	}
	_, port, _ := net.SplitHostPort(s.Addr) // we made both
	_, tlsPort, _ := net.SplitHostPort(s.TLSAddr)
	return strings.NewReplacer(
		"@BASE@", s.base, "@LOG@", s.Log, "@DIR@", dir, "@HOME@", s.Home, "@PLACE@", place,
		"@UID@", strconv.Itoa(o.uid), "@GID@", strconv.Itoa(o.gid), "@USERS@", o.users(),
		"@PLUGINS@", plugins,
		"@PORT@", port, "@TLSPORT@", tlsPort, "@PASS@", s.Password,
	).Replace(dovecotConf) + capability + "\n" + opts.Extra + "\n"
}

// users says as whom Dovecot's own processes run when it is not started as root.
func (o owner) users() string {
	if o.root {
		return ""
	}
	return fmt.Sprintf("default_internal_user = %[1]s\ndefault_internal_group = %[2]s\ndefault_login_user = %[1]s\n",
		o.name, o.group)
}

const dovecotConf = `
base_dir = @BASE@/run
state_dir = @BASE@/state
log_path = @LOG@
protocols = imap
listen = 127.0.0.1
ssl = yes
ssl_cert = <@DIR@/cert.pem
ssl_key = <@DIR@/key.pem
disable_plaintext_auth = no
auth_failure_delay = 0
auth_mechanisms = plain login
first_valid_uid = 1
first_valid_gid = 1
mail_location = @PLACE@
mail_fsync = never
mail_max_userip_connections = 1000
mail_max_keyword_length = 100
mailbox_list_index = no
stats_writer_socket_path =
default_vsz_limit = 0
mail_plugins =@PLUGINS@
@USERS@
passdb {
  driver = static
  args = password=@PASS@
}
userdb {
  driver = static
  args = uid=@UID@ gid=@GID@ home=@HOME@/%u
}
namespace inbox {
  inbox = yes
  separator = /
  mailbox Drafts {
    auto = create
    special_use = \Drafts
  }
  mailbox Junk {
    auto = create
    special_use = \Junk
  }
  mailbox Sent {
    auto = create
    special_use = \Sent
  }
  mailbox Trash {
    auto = create
    special_use = \Trash
  }
}
protocol imap {
  mail_plugins = $mail_plugins imap_zlib
}
service imap-login {
  chroot =
  service_count = 0
  client_limit = 1000
  process_limit = 4
  inet_listener imap {
    port = @PORT@
  }
  inet_listener imaps {
    port = @TLSPORT@
    ssl = yes
  }
}
service imap {
  service_count = 1
  process_limit = 1000
}
service anvil {
  chroot =
}
service stats {
  chroot =
}
protocol imap {
  imap_max_line_length = 64k
}
`
