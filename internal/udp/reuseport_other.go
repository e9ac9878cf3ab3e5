//go:build !(linux || darwin || freebsd || netbsd || openbsd || dragonfly)

package udp

import (
	"errors"
	"fmt"
	"runtime"
	"syscall"
)

// reusePort is a net.ListenConfig.Control.
func reusePort(_, _ string, _ syscall.RawConn) error {
	return fmt.Errorf("share a port (SO_REUSEPORT): %w on %s: use one worker", errors.ErrUnsupported, runtime.GOOS)
}
