package udp

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// socket is one bound socket.
type socket struct {
	fd         int
	is4        bool
	wildcard   bool           // datagrams tell their destination
	local      netip.AddrPort // the bound address
	answerFrom netip.Addr     // what Inbox.Local says where datagrams do not tell it
	drops      uint32         // SK_MEMINFO_DROPS when it was last read
}

// openSocket opens a socket bound to addr. The caller closes fd.
func openSocket(addr netip.AddrPort, o Options, z *zones) (*socket, error) {
	family := unix.AF_INET6
	if addr.Addr().Is4() {
		family = unix.AF_INET
	}
	fd, err := unix.Socket(family, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	s := &socket{fd: fd, is4: addr.Addr().Is4(), wildcard: addr.Addr().IsUnspecified()}
	if err := errors.Join(s.setOptions(o), s.setBuffers(o)); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	if err := s.bind(addr, z); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	if o.LocalAddr && !s.wildcard {
		// Only this address is delivered to the socket: no need to pay for a control message to learn it.
		s.answerFrom = s.local.Addr()
	}
	return s, nil
}

func (s *socket) setOptions(o Options) error {
	var errs []error
	setTo := func(name string, level, option, value int) {
		errs = append(errs, os.NewSyscallError("setsockopt "+name, unix.SetsockoptInt(s.fd, level, option, value)))
	}
	set := func(name string, level, option int) { setTo(name, level, option, 1) }
	if s.is4 {
		// Never fragmented: fragments are lost, and forged, more easily than datagrams, and without them the kernel need
		// not make up an identification for each packet (ip_select_ident: 3 % of a busy server's time).
		setTo("IP_MTU_DISCOVER", unix.IPPROTO_IP, unix.IP_MTU_DISCOVER, unix.IP_PMTUDISC_PROBE)
	} else {
		set("IPV6_V6ONLY", unix.IPPROTO_IPV6, unix.IPV6_V6ONLY)
	}
	switch {
	case s.wildcard && s.is4:
		set("IP_PKTINFO", unix.IPPROTO_IP, unix.IP_PKTINFO)
	case s.wildcard:
		set("IPV6_RECVPKTINFO", unix.IPPROTO_IPV6, unix.IPV6_RECVPKTINFO)
	}
	if o.ReusePort {
		set("SO_REUSEPORT", unix.SOL_SOCKET, unix.SO_REUSEPORT)
	}
	return errors.Join(errs...)
}

func (s *socket) setBuffers(o Options) error {
	if err := s.setBuffer(o.ReceiveBuffer, unix.SO_RCVBUFFORCE, unix.SO_RCVBUF); err != nil {
		return fmt.Errorf("set receive buffer to %d bytes: %w", o.ReceiveBuffer, err)
	}
	if err := s.setBuffer(o.SendBuffer, unix.SO_SNDBUFFORCE, unix.SO_SNDBUF); err != nil {
		return fmt.Errorf("set send buffer to %d bytes: %w", o.SendBuffer, err)
	}
	return nil
}

// setBuffer tries the option that only CAP_NET_ADMIN may use, then the one that net.core.rmem_max or
// wmem_max silently caps.
func (s *socket) setBuffer(bytes, force, capped int) error {
	if bytes == 0 {
		return nil
	}
	if unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, force, bytes) == nil {
		return nil
	}
	return unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, capped, bytes)
}

func (s *socket) bind(addr netip.AddrPort, z *zones) error {
	scope, ok := z.scope(addr.Addr())
	if !ok {
		return fmt.Errorf("no interface is named %q", addr.Addr().Zone())
	}
	var name sockaddr
	length := name.put(addr, scope)
	_, _, errno := unix.Syscall(unix.SYS_BIND, uintptr(s.fd), uintptr(unsafe.Pointer(&name)), uintptr(length))
	if errno != 0 {
		return os.NewSyscallError("bind", errno)
	}
	length = uint32(len(name))
	_, _, errno = unix.Syscall(unix.SYS_GETSOCKNAME, uintptr(s.fd),
		uintptr(unsafe.Pointer(&name)), uintptr(unsafe.Pointer(&length)))
	if errno != 0 {
		return os.NewSyscallError("getsockname", errno)
	}
	local, scope, ok := name.parse(length)
	if !ok {
		return fmt.Errorf("getsockname: unknown address family")
	}
	s.local = zoned(local, scope, z)
	return nil
}

// zoned gives the address its zone.
func zoned(a netip.AddrPort, scope uint32, z *zones) netip.AddrPort {
	return netip.AddrPortFrom(z.with(a.Addr(), scope), a.Port())
}

// newDrops returns how many more datagrams the kernel has dropped at the socket than at the last call:
// mostly for want of room in the receive buffer, but a bad checksum counts too. Asking costs a system
// call; SO_RXQ_OVFL would cost a control message on each datagram.
func (s *socket) newDrops() uint64 {
	var info [9]uint32 // SK_MEMINFO_VARS, include/uapi/linux/sock_diag.h
	const skMeminfoDrops = 8
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(s.fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 || size < uint32(unsafe.Sizeof(info)) { // SO_MEMINFO is of Linux 4.12
		return 0
	}
	n := info[skMeminfoDrops] - s.drops // the kernel's counter wraps
	s.drops = info[skMeminfoDrops]
	return uint64(n)
}
