//go:build !linux

package xdp

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime"
)

// ReflectDNS needs Linux.
func ReflectDNS(int, [6]byte, netip.AddrPort) (io.Closer, error) {
	return Redirect(0, 0, [6]byte{}, netip.AddrPort{}, nil, 0)
}

// Redirect needs Linux.
func Redirect(int, int, [6]byte, netip.AddrPort, []netip.AddrPort, int) (io.Closer, error) {
	return nil, fmt.Errorf("attach XDP program: %w on %s", errors.ErrUnsupported, runtime.GOOS)
}
