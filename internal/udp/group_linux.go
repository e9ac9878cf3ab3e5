package udp

import (
	"errors"
	"fmt"
	"net/netip"
	"os"

	"golang.org/x/sys/unix"
)

// maxGroup is far from where the arithmetic of steer overflows.
const maxGroup = 1 << 10

// OpenMmsgGroup is OpenMmsg for several threads: n transports on the same addresses, one for each. The kernel gives every
// datagram to one of them, which is always the same for a source: an IPv4 address or an IPv6 /48, of whatever port. So what
// a thread remembers of a source no other thread has to know.
//
// The addresses are taken as OpenMmsg takes them: who has one already keeps it, and later nobody can take part of one,
// except a program of the same user that asks for SO_REUSEPORT, and the kernel does not give that one anything while the
// group is open.
func OpenMmsgGroup(listen []netip.AddrPort, o Options, n int) ([]Transport, error) {
	if n < 1 || n > maxGroup {
		return nil, fmt.Errorf("open UDP sockets: a group of %d: must be 1 to %d", n, maxGroup)
	}
	first, err := OpenMmsg(listen, o)
	if err != nil {
		return nil, err
	}
	group := []Transport{first}
	if n == 1 {
		return group, nil
	}
	// With SO_REUSEPORT from the start, it would join whoever has an address. Set on a bound socket, it lets the others
	// join: the kernel makes the group when the second socket comes (reuseport_add_sock, net/core/sock_reuseport.c).
	if err := first.(*mmsg).eachSocket("SO_REUSEPORT", func(s *socket) error {
		return unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
	}); err != nil {
		return nil, errors.Join(err, first.Close())
	}
	o.ReusePort = true
	for range n - 1 {
		t, err := OpenMmsg(first.Local(), o)
		if err != nil {
			return nil, errors.Join(err, closeAll(group))
		}
		group = append(group, t)
	}
	if err := first.(*mmsg).eachSocket("SO_ATTACH_REUSEPORT_CBPF", func(s *socket) error {
		program := steer(s.is4, uint32(n))
		return unix.SetsockoptSockFprog(s.fd, unix.SOL_SOCKET, unix.SO_ATTACH_REUSEPORT_CBPF,
			&unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]})
	}); err != nil {
		return nil, errors.Join(err, closeAll(group))
	}
	return group, nil
}

// eachSocket sets an option of each socket.
func (m *mmsg) eachSocket(option string, set func(*socket) error) error {
	for _, s := range m.sockets {
		if err := set(s); err != nil {
			return fmt.Errorf("share UDP %v among threads, which one thread need not: %w",
				s.local, os.NewSyscallError("setsockopt "+option, err))
		}
	}
	return nil
}

func closeAll(group []Transport) error {
	var errs []error
	for _, t := range group {
		errs = append(errs, t.Close())
	}
	return errors.Join(errs...)
}

// steer is a classic BPF program that returns the number of the socket, of n, for a datagram's source. Sockets have the
// numbers of the order in which they were bound. A multiplication by 2^32 over the golden ratio spreads the sources, and
// its upper half, scaled, is the number. Who chooses addresses that all come to one thread spares the others.
func steer(is4 bool, n uint32) []unix.SockFilter {
	const (
		network  = 0xfff00000 // SKF_NET_OFF of linux/filter.h: offsets from here are into the IP header
		source4  = network + 12
		source6  = network + 8
		golden   = 0x9e3779b1
		loadWord = unix.BPF_LD | unix.BPF_W | unix.BPF_ABS
		loadHalf = unix.BPF_LD | unix.BPF_H | unix.BPF_ABS
		multiply = unix.BPF_ALU | unix.BPF_MUL | unix.BPF_K
		shift    = unix.BPF_ALU | unix.BPF_RSH | unix.BPF_K
	)
	program := []unix.SockFilter{{Code: loadWord, K: source4}}
	if !is4 { // the first 32 bits, and the next 16, spread
		program = []unix.SockFilter{
			{Code: loadHalf, K: source6 + 4},
			{Code: multiply, K: golden},
			{Code: unix.BPF_MISC | unix.BPF_TAX},
			{Code: loadWord, K: source6},
			{Code: unix.BPF_ALU | unix.BPF_XOR | unix.BPF_X},
		}
	}
	return append(program,
		unix.SockFilter{Code: multiply, K: golden},
		unix.SockFilter{Code: shift, K: 16},
		unix.SockFilter{Code: multiply, K: n},
		unix.SockFilter{Code: shift, K: 16},
		unix.SockFilter{Code: unix.BPF_RET | unix.BPF_A},
	)
}
