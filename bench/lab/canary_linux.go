package lab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	ct "github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"

	"supernode/internal/conntrack"
)

// ConntrackState is what the kernel tracks in the server namespace.
type ConntrackState = conntrack.Facts

// Conntrack reads entries, counters, limit and buckets as the server namespace sees them.
func (l *Lab) Conntrack() (ConntrackState, error) {
	var f conntrack.Facts
	err := l.Do(Server, func() (err error) {
		f, err = conntrack.Read()
		return err
	})
	return f, err
}

const (
	canaryTimeout = 200 * time.Millisecond // a datagram that has not crossed a veth by then never will
	canaryTries   = 3
)

// TrackingActive proves whether the server namespace tracks connections: it sends one datagram through it, to a port
// that no rule exempts, and asks the kernel whether that flow has an entry. A count of 0 would not prove it, since it
// may mean that nothing has passed. The entry is removed again.
//
// A canary that is itself dropped because the table is full is proof as well.
func (l *Lab) TrackingActive() (bool, error) {
	before, err := l.Conntrack()
	if err != nil {
		return false, err
	}
	if !before.Present {
		return false, nil // asking about a flow would load the module
	}
	for range canaryTries {
		active, err := l.canary()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return active, err
		}
		after, err := l.Conntrack()
		if err != nil {
			return false, err
		}
		lost := after.Counters.Sub(before.Counters)
		if lost[conntrack.Drop] > 0 || lost[conntrack.InsertFailed] > 0 {
			return true, nil
		}
	}
	return false, fmt.Errorf("prove tracking: %d datagrams to %v were lost, and not to a full table; is the server overloaded?", canaryTries, l.spec.ServerAddr4.Addr())
}

// canary sends one datagram and reports whether it left an entry. The error wraps os.ErrDeadlineExceeded when the
// datagram did not arrive.
func (l *Lab) canary() (bool, error) {
	server, err := l.listen(Server)
	if err != nil {
		return false, err
	}
	defer server.Close()
	client, err := l.listen(Client)
	if err != nil {
		return false, err
	}
	defer client.Close()

	from, to := localAddr(client), localAddr(server)
	const text = "canary"
	if _, err := client.WriteToUDPAddrPort([]byte(text), to); err != nil {
		return false, fmt.Errorf("send canary: %w", err)
	}
	if err := server.SetReadDeadline(time.Now().Add(canaryTimeout)); err != nil {
		return false, err
	}
	for buf := make([]byte, len(text)); ; {
		n, addr, err := server.ReadFromUDPAddrPort(buf)
		if err != nil {
			return false, fmt.Errorf("receive canary: %w", err)
		}
		if netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()) == from && string(buf[:n]) == text {
			break
		}
	}
	var active bool
	err = l.Do(Server, func() (err error) {
		active, err = takeEntry(from, to)
		return err
	})
	return active, err
}

// takeEntry removes the flow's entry from the calling thread's namespace and reports whether there was one.
func takeEntry(from, to netip.AddrPort) (bool, error) {
	conn, err := ct.Dial(nil)
	if err != nil {
		return false, fmt.Errorf("dial conntrack netlink: %w", err)
	}
	defer conn.Close()
	flow := ct.NewFlow(unix.IPPROTO_UDP, 0, from.Addr(), to.Addr(), from.Port(), to.Port(), 0, 0)
	err = conn.Delete(flow)
	if errors.Is(err, unix.ENOENT) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look for the canary's entry: %w", err)
	}
	return true, nil
}

// listen opens a UDP socket on the side's link address, on a free port other than the one that rules name.
func (l *Lab) listen(side Side) (*net.UDPConn, error) {
	addr := l.spec.ServerAddr4.Addr()
	if side == Client {
		addr = l.spec.ClientAddr4.Addr()
	}
	l.mu.Lock()
	exempt := l.port
	l.mu.Unlock()
	for {
		var c *net.UDPConn
		err := l.Do(side, func() (err error) {
			c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(addr, 0)))
			return err
		})
		if err != nil {
			return nil, fmt.Errorf("open canary socket of the %s: %w", side, err)
		}
		if localAddr(c).Port() != exempt {
			return c, nil
		}
		c.Close() // by chance; the next bind gets another
	}
}

func localAddr(c *net.UDPConn) netip.AddrPort {
	a := c.LocalAddr().(*net.UDPAddr).AddrPort()
	return netip.AddrPortFrom(a.Addr().Unmap(), a.Port())
}
