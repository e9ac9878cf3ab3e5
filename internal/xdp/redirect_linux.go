package xdp

import (
	"io"
	"net/netip"

	"github.com/cilium/ebpf"
)

// Redirect attaches to the interface a program that redirects the UDP datagrams which come from the address and port from to
// one of the addresses and ports to, by the interface's first receive queue and in frames of no more than longest bytes to the
// hardware address local, to an AF_XDP socket that is bound to that queue. An unspecified address among to is any of its
// family. Where the driver cannot run it, as with a long MTU, or refuses to, the kernel runs it right behind
// the driver, which is slower. Closing ends it. An interface has one program at a time: errors.Is finds unix.EBUSY if there is
// one already.
func Redirect(ifindex, socket int, local [6]byte, from netip.AddrPort, to []netip.AddrPort, longest int) (io.Closer, error) {
	const queue = uint32(0)
	a := &attachment{}
	var err error
	if a.sockets, err = ebpf.NewMap(&ebpf.MapSpec{Name: "sockets", Type: ebpf.XSKMap, KeySize: 4, ValueSize: 4, MaxEntries: queue + 1}); err != nil {
		return nil, a.fail(err)
	}
	if err := a.sockets.Put(queue, uint32(socket)); err != nil {
		return nil, a.fail(err)
	}
	if err := a.open(ifindex, redirector(a.sockets.FD(), local, from, to, longest)); err != nil {
		return nil, err
	}
	return a, nil
}
