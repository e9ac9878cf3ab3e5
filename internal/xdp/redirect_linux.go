package xdp

import (
	"errors"
	"fmt"
	"io"
	"net/netip"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// redirection is a program at a link.
type redirection struct {
	sockets *ebpf.Map
	program *ebpf.Program
	link    link.Link
}

// Redirect attaches to the interface a program that redirects the UDP datagrams which come from the address and port from to
// one of the addresses and ports to, by the interface's first receive queue and in frames of no more than longest bytes to the
// hardware address local, to an AF_XDP socket that is bound to that queue. An unspecified address is any of its family, and a
// source port of 0 is any. Where the driver cannot run it, as with a long MTU, or refuses to, the
// kernel runs it right behind the driver, which is slower. Closing ends it. An interface has one program at a time: errors.Is
// finds unix.EBUSY if there is one already.
func Redirect(ifindex, socket int, local [6]byte, from netip.AddrPort, to []netip.AddrPort, longest int) (_ io.Closer, err error) {
	r := &redirection{}
	defer func() {
		if err != nil {
			err = fmt.Errorf("attach XDP program: %w%s", err, mend(err))
			err = errors.Join(err, r.Close())
		}
	}()
	const queue = uint32(0)
	if r.sockets, err = ebpf.NewMap(&ebpf.MapSpec{Name: "sockets", Type: ebpf.XSKMap, KeySize: 4, ValueSize: 4, MaxEntries: queue + 1}); err != nil {
		return nil, err
	}
	if err = r.sockets.Put(queue, uint32(socket)); err != nil {
		return nil, err
	}
	if r.program, err = ebpf.NewProgram(&ebpf.ProgramSpec{
		Name: "redirect", Type: ebpf.XDP, License: "Apache-2.0", Instructions: program(r.sockets.FD(), local, from, to, longest),
	}); err != nil {
		return nil, err
	}
	if err = r.attach(ifindex); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *redirection) attach(ifindex int) (err error) {
	options := link.XDPOptions{Program: r.program, Interface: ifindex}
	if r.link, err = link.AttachXDP(options); err == nil || taken(err) || denied(err) {
		return err
	}
	options.Flags = link.XDPGenericMode // the kernel by itself takes it only where the driver knows nothing of XDP
	var again error
	if r.link, again = link.AttachXDP(options); again != nil {
		return errors.Join(err, again)
	}
	return nil
}

func taken(err error) bool { return errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EEXIST) }

// denied says whether a capability is missing; EACCES is the verifier's, before Linux 6.6.
func denied(err error) bool { return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) }

// mend is what to do about an error of Redirect.
func mend(err error) string {
	switch {
	case denied(err):
		return ": it needs CAP_NET_ADMIN and CAP_BPF, before Linux 6.6 CAP_PERFMON too: run as root"
	case taken(err):
		return ": the interface has an XDP program already, of another program or another run of this one: see ip link"
	}
	return ""
}

func (r *redirection) Close() error {
	var errs []error
	if r.link != nil {
		errs = append(errs, r.link.Close())
	}
	if r.program != nil {
		errs = append(errs, r.program.Close())
	}
	if r.sockets != nil {
		errs = append(errs, r.sockets.Close())
	}
	return errors.Join(errs...)
}
