//go:build unix

package main

import "golang.org/x/sys/unix"

// noCoreFile keeps the memory of a crashed program, passwords and all, from being written to disk (S17).
func noCoreFile() {
	_ = unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}) // a program that may not lower it goes on as before
}
