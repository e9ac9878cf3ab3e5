//go:build linux || darwin || freebsd || netbsd || openbsd || dragonfly

package udp

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// reusePort is a net.ListenConfig.Control.
func reusePort(_, _ string, c syscall.RawConn) error {
	var failed error
	err := c.Control(func(fd uintptr) {
		failed = os.NewSyscallError("setsockopt SO_REUSEPORT",
			unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, reusePortOption, 1))
	})
	if err != nil {
		return err
	}
	return failed
}
