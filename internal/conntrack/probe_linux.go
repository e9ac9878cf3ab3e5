package conntrack

import (
	"errors"
	"fmt"
	"net/netip"
	"time"

	"golang.org/x/sys/unix"
)

const (
	probeWait  = 200 * time.Millisecond // a datagram that has not crossed loopback by then never will
	entryWait  = 20 * time.Millisecond  // an entry comes with the packet, which may still be in another processor's queue
	probeTries = 3
)

// probePayload is a single zero byte.
var probePayload = []byte{0}

// Probe finds out whether datagrams of the port are tracked in the calling thread's network namespace, and proves it:
// it sends some and asks the kernel whether they left entries. It removes those again.
//
// A datagram to the port over loopback would not do, since it meets the rules of output first, which is not how queries
// come in: the usual exemption (prerouting by destination port, output by source port) would look broken. So
// each way is taken as the server's traffic takes it:
//
//	in       a packet socket puts a datagram on lo, which enters at prerouting as from a wire
//	out      a raw socket sends from the port, through output, to a socket of ours
//	control  both of it between ports that nobody exempts
//
// The server that has the port receives one datagram for each address family, of a single zero byte, which is no
// message of any protocol that it is likely to speak (an empty one reads as "end of file" to some). For IPv4 it seems
// to come from 192.0.2.0/24 (RFC 5737), because the kernel accepts no loopback source from a wire, and an answer goes
// there and dies.
//
// Privileges: CAP_NET_ADMIN to look for an entry, CAP_NET_RAW for both ways. Without them the count's step shows at
// least whether the namespace is tracked; then Exempt is never set and the evidence says why.
//
// Limits: the probe travels over lo, and rules that name another interface do not see it.
func Probe(port uint16) (Activity, error) {
	facts, err := Open()
	if err != nil {
		return Activity{Active: CannotSay}, err
	}
	defer facts.Close()
	if now, err := facts.Read(); err != nil || !now.Present {
		return Activity{Active: No, Evidence: "this kernel has no connection tracking, neither built in nor loaded"}, err
	}
	entries, err := openEntryTaker()
	if errors.Is(err, unix.EPERM) {
		return probeByCount(facts)
	}
	if err != nil {
		return Activity{Active: CannotSay, Evidence: err.Error()}, err
	}
	defer entries.close()
	p := &prober{port, facts, entries}
	var legs []leg
	for _, family := range [...]family{ipv4, ipv6} {
		legs = append(legs, p.legs(family)...)
	}
	return conclude(port, legs), nil
}

// prober has what the probes of one port share.
type prober struct {
	port    uint16
	facts   *Reader
	entries *entryTaker
}

// legs tries every way of one family. Of a family that this machine does not have there is none.
func (p *prober) legs(f family) []leg {
	local := f.loopback
	listener, err := listenUDP(local)
	if errors.Is(err, unix.EAFNOSUPPORT) || errors.Is(err, unix.EADDRNOTAVAIL) {
		return nil
	}
	control := leg{ipv6: f.is6, way: wayControl, err: err}
	out := leg{ipv6: f.is6, way: wayOut, err: err}
	if err == nil {
		defer listener.close()
		p.try(&control, listener, func() (netip.AddrPort, error) { return sendFromAnother(listener.addr) })
		p.try(&out, listener, func() (netip.AddrPort, error) {
			from := netip.AddrPortFrom(local, p.port)
			return from, sendRaw(datagram(from, listener.addr, probePayload), listener.addr)
		})
	}
	return append(p.in(f), out, control)
}

// in tries the way in: to the port, and to a socket of ours, which shows that packets get through.
func (p *prober) in(f family) []leg {
	in, control := leg{ipv6: f.is6, way: wayIn}, leg{ipv6: f.is6, way: wayInControl}
	local, from, err := f.outside()
	if err != nil {
		in.err, control.err = err, err
		return []leg{in, control}
	}
	listener, err := listenUDP(local)
	if err != nil {
		in.err, control.err = err, err
		return []leg{in, control}
	}
	defer listener.close()

	to := netip.AddrPortFrom(local, p.port)
	in.err = injectOnLoopback(datagram(from, to, probePayload))
	p.try(&control, listener, func() (netip.AddrPort, error) {
		other := netip.AddrPortFrom(from.Addr(), from.Port()^1)
		return other, injectOnLoopback(datagram(other, listener.addr, probePayload))
	})
	if in.err == nil {
		in.entry, in.err = p.entries.await(from, to)
		in.arrived = in.entry || control.arrived // nobody tells, but it went before the control, on the same way
		if !in.arrived && control.dropped && in.err == nil {
			in.err = errHidden
		}
	}
	return []leg{in, control}
}

// try sends a datagram to at, again if it is lost, and notes what became of it.
func (p *prober) try(l *leg, at *endpoint, send func() (from netip.AddrPort, err error)) {
	for range probeTries {
		before, err := p.facts.Read()
		if err != nil {
			l.err = err
			return
		}
		from, err := send()
		l.refused = errors.Is(err, unix.EPERM)
		if err != nil && !l.refused {
			l.err = err
			return
		}
		if !l.refused {
			if l.arrived, l.err = at.receive(from); l.arrived {
				l.entry, l.err = p.entries.await(from, at.addr)
			}
			if l.arrived || l.err != nil {
				return
			}
		}
		after, err := p.facts.Read()
		if err != nil {
			l.err = err
			return
		}
		if l.dropped = after.Counters.Sub(before.Counters)[Drop] > 0; l.dropped {
			return
		}
	}
}

// probeByCount is the probe for those who may not look at entries: flows between sockets of ours must step the count
// each time, and the count must not step so when nothing is sent. In a namespace whose count never rests that proves
// nothing, and so it says.
func probeByCount(facts *Reader) (Activity, error) {
	cannot := func(err error) (Activity, error) { return Activity{Active: CannotSay, Evidence: err.Error()}, err }
	listener, err := listenUDP(ipv4.loopback)
	if err != nil {
		return cannot(err)
	}
	defer listener.close()
	var steps, rests []int64
	var refused int
	var dropped uint64
	for range countRounds {
		var seen [3]Facts
		for i := range seen {
			if i == 2 {
				n, err := sendNewFlows(listener.addr)
				if err != nil {
					return cannot(err)
				}
				refused += n
			}
			if seen[i], err = facts.Read(); err != nil {
				return cannot(err)
			}
		}
		rests = append(rests, int64(seen[1].Count-seen[0].Count))
		steps = append(steps, int64(seen[2].Count-seen[1].Count))
		dropped += seen[2].Counters.Sub(seen[1].Counters)[Drop]
	}
	return concludeByCount(steps, rests, refused, dropped), nil
}

// sendNewFlows sends countFlows datagrams, each from another socket, and returns how many were refused.
func sendNewFlows(to netip.AddrPort) (refused int, err error) {
	for range countFlows {
		from, err := listenUDP(to.Addr())
		if err != nil {
			return refused, err
		}
		defer from.close() // at the end, so that no other gets its port
		switch err := unix.Sendto(from.fd, probePayload, 0, sockaddr(to)); {
		case errors.Is(err, unix.EPERM):
			refused++
		case err != nil:
			return refused, fmt.Errorf("send probe to %v: %w", to, err)
		}
	}
	return refused, nil
}

// await removes the flow's entry, waiting a little for it to appear, and reports whether there was one.
func (e *entryTaker) await(from, to netip.AddrPort) (bool, error) {
	for deadline := time.Now().Add(entryWait); ; time.Sleep(time.Millisecond) {
		if was, err := e.take(from, to); was || err != nil || time.Now().After(deadline) {
			return was, err
		}
	}
}

// sendFromAnother sends the probe's payload from a socket of its own and returns that one's address.
func sendFromAnother(to netip.AddrPort) (netip.AddrPort, error) {
	s, err := listenUDP(to.Addr())
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer s.close()
	if err := unix.Sendto(s.fd, probePayload, 0, sockaddr(to)); err != nil {
		return s.addr, fmt.Errorf("send probe to %v: %w", to, err)
	}
	return s.addr, nil
}
