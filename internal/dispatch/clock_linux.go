package dispatch

import (
	"syscall"
	"time"
	"unsafe"
)

// clockBoottime is CLOCK_BOOTTIME of clock_gettime(2): monotonic, and it goes on while the machine is suspended.
const clockBoottime = 7

// Elapsed is how long ago a fixed moment was, the time in which the machine was suspended included. Go's own monotonic
// clock leaves that out, so that by it a lease would outlive a night with the lid closed.
func Elapsed() time.Duration {
	var ts syscall.Timespec
	if _, _, errno := syscall.RawSyscall(syscall.SYS_CLOCK_GETTIME, clockBoottime, uintptr(unsafe.Pointer(&ts)), 0); errno != 0 {
		return time.Duration(time.Now().UnixNano())
	}
	return time.Duration(ts.Nano())
}
