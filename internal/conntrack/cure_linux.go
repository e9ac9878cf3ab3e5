package conntrack

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/google/nftables"
	"github.com/google/nftables/binaryutil"
	"github.com/google/nftables/expr"
	ct "github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"
)

// Cure exempts the port and proves that it helped: for the time of a window before and one after, counters in our own
// table say how many datagrams of the port come to the packet filter and how many get through, and datagrams of our own
// over loopback say whether a flow leaves an entry. If entries still appear, or the firewall lets less through than
// before, everything is taken back, and the report says why. A port that is exempt by our table already is looked at once
// and left as it is.
//
// It works in the calling thread's network namespace, whose goroutine must be locked to its thread if that is not the
// process's, and needs CAP_NET_ADMIN. The error is about what could not be done; a cure that did not hold is in the report.
func Cure(ctx context.Context, port uint16, window time.Duration) (r CureReport, err error) {
	if r.Already, err = PortExempt(port); err != nil {
		return r, err
	}
	if r.Already {
		r.After.Tracked, r.After.TrackedKnown, err = probeOnce(port, &r.After)
		return r, err
	}
	defer func() {
		if err != nil || r.RolledBack {
			_, undone := UnexemptPort(port)
			err = errors.Join(err, undone)
		}
	}()
	if r.Before, err = look(ctx, port, window, nil); err != nil {
		return r, err
	}
	if r.After, err = look(ctx, port, window, exemptChains(port)); err != nil {
		return r, err
	}
	if r.Reason = judgeCure(port, r.Before, r.After); r.Reason != "" {
		r.RolledBack = true
		return r, nil
	}
	return r, ExemptPort(port)
}

// Places where counters stand: before all else, and behind all firewalls.
const (
	priorityFirst = nftables.ChainPriority(-301)
	priorityLast  = nftables.ChainPriority(1000)
)

// counterChains count datagrams of the port, in each chain first those of other hosts, then those over loopback.
func counterChains(port uint16) []chainRules {
	counted := func(offset uint32, device expr.MetaKey, own bool) [][]expr.Any {
		var rules [][]expr.Any
		for _, op := range []expr.CmpOp{expr.CmpOpNeq, expr.CmpOpEq} {
			match := matchPort(offset, port)
			if own {
				match = append(match, matchLocal()...)
			}
			rules = append(rules, append(match,
				&expr.Meta{Key: device, Register: 1},
				&expr.Cmp{Op: op, Register: 1, Data: binaryutil.NativeEndian.PutUint16(unix.ARPHRD_LOOPBACK)},
				&expr.Counter{}))
		}
		return rules
	}
	in, out := counted(udpDestinationPort, expr.MetaKeyIIFTYPE, true), counted(udpSourcePort, expr.MetaKeyOIFTYPE, false)
	return []chainRules{
		{"came_in", nftables.ChainHookPrerouting, priorityFirst, in},
		{"got_in", nftables.ChainHookInput, priorityLast, in},
		{"came_out", nftables.ChainHookOutput, priorityFirst, out},
		{"got_out", nftables.ChainHookPostrouting, priorityLast, out},
	}
}

// look installs the counters, with more chains, and tells after the window what they counted.
func look(ctx context.Context, port uint16, window time.Duration, more []chainRules) (r Round, err error) {
	if err := install(port, append(counterChains(port), more...)); err != nil {
		return r, err
	}
	if r.Tracked, r.TrackedKnown, err = probeOnce(port, &r); err != nil {
		return r, err
	}
	select {
	case <-time.After(window):
	case <-ctx.Done():
		return r, context.Cause(ctx)
	}
	return r, readCounters(port, &r)
}

// readCounters reads what got through before what came, so that a datagram that is under way looks lost rather than made
// up; the few are within what worse allows.
func readCounters(port uint16, r *Round) error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	var loopOut Passage
	for _, read := range []struct {
		chain       string
		other, loop *uint64
	}{
		{"got_in", &r.In.Through, &r.Loop.Through}, {"came_in", &r.In.Came, &r.Loop.Came},
		{"got_out", &r.Out.Through, &loopOut.Through}, {"came_out", &r.Out.Came, &loopOut.Came},
	} {
		table := exemptTable(port)
		rules, err := c.GetRules(table, &nftables.Chain{Name: read.chain, Table: table})
		if err != nil {
			return fmt.Errorf("read counters of nftables table inet %s: %w", table.Name, explain(err))
		}
		if len(rules) != 2 {
			return fmt.Errorf("read counters of nftables table inet %s: somebody has changed chain %s", table.Name, read.chain)
		}
		for i, to := range []*uint64{read.other, read.loop} {
			for _, e := range rules[i].Exprs {
				if counter, ok := e.(*expr.Counter); ok {
					*to = counter.Packets
				}
			}
		}
	}
	return nil
}

// probes is how many datagrams look sends over loopback.
const probes = 3

// probePayload is what they carry: one byte, which no protocol takes for a message of its own; a DHT node, for one, drops
// what does not begin with "d". Whoever answers it does no harm.
var probePayload = []byte{0}

// probeOnce sends datagrams to the port on 127.0.0.1 and asks for their flow's entry, which it removes. Whether anybody
// listens there does not matter: the packet filter comes before the socket.
func probeOnce(port uint16, r *Round) (tracked, known bool, err error) {
	to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port)
	socket, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return false, false, fmt.Errorf("open probe socket: %w", err)
	}
	defer socket.Close()
	for range probes {
		switch _, err := socket.WriteToUDPAddrPort(probePayload, to); {
		case errors.Is(err, unix.EPERM):
			r.ProbesRefused++
		case errors.Is(err, unix.ECONNREFUSED): // of the one before: nobody listens
		case err != nil:
			return false, false, fmt.Errorf("send probe to %v: %w", to, err)
		}
	}
	from := socket.LocalAddr().(*net.UDPAddr).AddrPort()
	conn, err := ct.Dial(nil)
	if err != nil {
		return false, false, fmt.Errorf("dial conntrack netlink: %w", err)
	}
	defer conn.Close()
	flow := ct.NewFlow(unix.IPPROTO_UDP, 0, from.Addr().Unmap(), to.Addr(), from.Port(), to.Port(), 0, 0)
	switch err := conn.Delete(flow); {
	case errors.Is(err, unix.ENOENT):
		// A full table refuses the probe, which then has no entry either.
		return false, r.ProbesRefused == 0, nil
	case err != nil:
		return false, false, fmt.Errorf("look for the probe's entry: %w", err)
	}
	return true, true, nil
}
