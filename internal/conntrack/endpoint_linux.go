package conntrack

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

// family is IPv4 or IPv6, with what the probe needs of each.
type family struct {
	is6      bool
	loopback netip.Addr
}

var (
	ipv4 = family{false, netip.AddrFrom4([4]byte{127, 0, 0, 1})}
	ipv6 = family{true, netip.IPv6Loopback()}
)

// outside returns a local address that accepts datagrams from a wire, and where they may seem to come from. The kernel
// takes a packet from lo for ::1, but not for 127.0.0.1, which it believes to be a martian (net/ipv4/route.c,
// ip_route_input_slow), nor from an address of its own (net/ipv4/fib_frontend.c, fib_validate_source).
func (f family) outside() (local netip.Addr, from netip.AddrPort, err error) {
	port := uint16(rand.UintN(1<<14) + 3<<14) // the dynamic ports of RFC 6335
	if f.is6 {
		return f.loopback, netip.AddrPortFrom(f.loopback, port), nil
	}
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		return local, from, fmt.Errorf("list addresses: %w", err)
	}
	for _, a := range addresses {
		prefix, err := netip.ParsePrefix(a.String())
		if ip := prefix.Addr(); err == nil && ip.Is4() && !ip.IsLoopback() && !ip.IsLinkLocalUnicast() {
			return ip, netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(1 + rand.UintN(254))}), port), nil
		}
	}
	return local, from, errNoOutside
}

// endpoint is a UDP socket of the calling thread's namespace. It is no net.UDPConn, since that makes its sockets on
// any thread.
type endpoint struct {
	fd   int
	addr netip.AddrPort
}

// listenUDP opens a socket on a free port.
func listenUDP(ip netip.Addr) (*endpoint, error) {
	domain := unix.AF_INET
	if ip.Is6() {
		domain = unix.AF_INET6
	}
	fd, err := unix.Socket(domain, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("open UDP socket: %w", err)
	}
	wait := unix.NsecToTimeval(probeWait.Nanoseconds())
	err = errors.Join(unix.Bind(fd, sockaddr(netip.AddrPortFrom(ip, 0))),
		unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("bind UDP socket to %v: %w", ip, err), unix.Close(fd))
	}
	sa, err := unix.Getsockname(fd)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("ask for the address of a socket: %w", err), unix.Close(fd))
	}
	return &endpoint{fd, addrPort(sa)}, nil
}

func (s *endpoint) close() error { return unix.Close(s.fd) }

// receive waits for a datagram from that address, probeWait at most, and reports whether it came.
func (s *endpoint) receive(from netip.AddrPort) (bool, error) {
	var buf [16]byte
	for deadline := time.Now().Add(probeWait); time.Now().Before(deadline); {
		_, sa, err := unix.Recvfrom(s.fd, buf[:], 0)
		switch {
		case err == nil && addrPort(sa) == from:
			return true, nil
		case err == nil, errors.Is(err, unix.EINTR), errors.Is(err, unix.ECONNREFUSED):
		case errors.Is(err, unix.EAGAIN):
			return false, nil
		default:
			return false, fmt.Errorf("receive probe: %w", err)
		}
	}
	return false, nil
}

// sendRaw sends a whole IP packet through the output hooks. It needs CAP_NET_RAW.
func sendRaw(packet []byte, to netip.AddrPort) error {
	domain := unix.AF_INET
	if to.Addr().Is6() {
		domain = unix.AF_INET6
	}
	fd, err := unix.Socket(domain, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.IPPROTO_RAW)
	if err != nil {
		return rawError("open raw socket", err)
	}
	defer unix.Close(fd)
	if err := unix.Sendto(fd, packet, 0, sockaddr(netip.AddrPortFrom(to.Addr(), 0))); err != nil {
		return fmt.Errorf("send probe to %v: %w", to, err)
	}
	return nil
}

// injectOnLoopback lets a whole IP packet arrive on lo as from a wire. It needs CAP_NET_RAW.
func injectOnLoopback(packet []byte) error {
	lo, err := net.InterfaceByName("lo")
	if err != nil {
		return fmt.Errorf("find loopback: %w", err)
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return rawError("open packet socket", err)
	}
	defer unix.Close(fd)
	protocol := uint16(unix.ETH_P_IP)
	if packet[0]>>4 == 6 {
		protocol = unix.ETH_P_IPV6
	}
	to := &unix.SockaddrLinklayer{Protocol: protocol<<8 | protocol>>8, Ifindex: lo.Index, Halen: 6}
	if binary.NativeEndian.Uint16([]byte{1, 0}) != 1 {
		to.Protocol = protocol
	}
	if err := unix.Sendto(fd, packet, 0, to); err != nil {
		return fmt.Errorf("put probe on loopback: %w", err)
	}
	return nil
}

// rawError tells a missing right from a hook that refuses, which is EPERM as well.
func rawError(what string, err error) error {
	if errors.Is(err, unix.EPERM) {
		return errors.New(what + ": needs CAP_NET_RAW")
	}
	return fmt.Errorf("%s: %w", what, err)
}

func sockaddr(a netip.AddrPort) unix.Sockaddr {
	if a.Addr().Is4() {
		return &unix.SockaddrInet4{Port: int(a.Port()), Addr: a.Addr().As4()}
	}
	return &unix.SockaddrInet6{Port: int(a.Port()), Addr: a.Addr().As16()}
}

func addrPort(sa unix.Sockaddr) netip.AddrPort {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port))
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(sa.Addr), uint16(sa.Port))
	}
	return netip.AddrPort{}
}
