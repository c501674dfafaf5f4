package imaptest

import "syscall"

// ownGroup puts a child process at the head of a group, so that it can be ended with all of its own children, and
// makes it end when the test process is killed, which runs no cleanup.
func ownGroup() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGTERM}
}
