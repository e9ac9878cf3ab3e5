//go:build !linux

package udp

import (
	"errors"
	"fmt"
	"net/netip"
	"runtime"
)

// OpenMmsg needs Linux.
func OpenMmsg(listen []netip.AddrPort, o Options) (Transport, error) {
	return nil, fmt.Errorf("open mmsg sockets: %w: recvmmsg and sendmmsg are used on Linux only, this is %s: use --io net",
		errors.ErrUnsupported, runtime.GOOS)
}

// OpenMmsgGroup needs Linux.
func OpenMmsgGroup(listen []netip.AddrPort, o Options, _ int) ([]Transport, error) {
	_, err := OpenMmsg(listen, o)
	return nil, err
}

// OpenPacket needs Linux.
func OpenPacket(listen []netip.AddrPort, _ Hop, o Options) (Transport, error) {
	_, err := OpenMmsg(listen, o)
	return nil, err
}

// OpenXDP needs Linux.
func OpenXDP(listen []netip.AddrPort, _ Hop, _ netip.AddrPort, _ Redirect, o Options) (Transport, error) {
	_, err := OpenMmsg(listen, o)
	return nil, err
}

// wire is nothing where no backend needs it.
type wire struct{}

func newWire(int) wire            { return wire{} }
func (wire) armInbox([]byte, int) {}
