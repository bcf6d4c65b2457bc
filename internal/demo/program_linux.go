package demo

import "syscall"

// attributes let the child die with this process, and keep the terminal's Ctrl-C from it: the context ends it.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
