package udp

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// errClosed is what Receive returns after Close.
var errClosed = fmt.Errorf("receive datagrams: %w", net.ErrClosed)

// prepare checks what was asked for and fills in the defaults.
func prepare(listen []netip.AddrPort, o Options) ([]netip.AddrPort, Options, error) {
	if len(listen) == 0 {
		return nil, o, errors.New("open UDP sockets: no address to listen on")
	}
	if o.Batch < 0 || o.Batch > maxBatch {
		return nil, o, fmt.Errorf("open UDP sockets: batch %d: must be 1 to %d", o.Batch, maxBatch)
	}
	if o.ReceiveBuffer < 0 || o.SendBuffer < 0 {
		return nil, o, fmt.Errorf("open UDP sockets: buffers of %d and %d bytes: must not be negative",
			o.ReceiveBuffer, o.SendBuffer)
	}
	o.Batch = clampBatch(o.Batch)
	addrs := make([]netip.AddrPort, len(listen))
	for i, a := range listen {
		if !a.IsValid() {
			return nil, o, fmt.Errorf("open UDP sockets: listen address %d is empty", i)
		}
		addrs[i] = netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
	}
	return addrs, o, nil
}

// listenError names the address and, where we know it, the mend. The cause stays visible to errors.Is.
func listenError(addr netip.AddrPort, err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		err = op.Err // the rest of what net says only names the address again
	}
	mend := ""
	switch {
	case errors.Is(err, errAddrInUse):
		mend = ": another program has this UDP port, stop it or choose another port"
	case errors.Is(err, errAddrNotOurs):
		mend = ": no interface of this machine has this address"
	case errors.Is(err, errAccess), errors.Is(err, errPermission):
		mend = ": not allowed, ports below 1024 need CAP_NET_BIND_SERVICE or an administrator"
	case errors.Is(err, errNoFamily):
		mend = ": this system has no such address family, leave the address out"
	}
	return fmt.Errorf("listen on UDP %v: %w%s", addr, err, mend)
}
