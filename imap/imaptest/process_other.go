//go:build unix && !linux

package imaptest

import "syscall"

// ownGroup puts a child process at the head of a group, so that it can be ended with all of its own children. Only on
// Linux can it be made to end with a test that was killed.
func ownGroup() *syscall.SysProcAttr { return &syscall.SysProcAttr{Setpgid: true} }
