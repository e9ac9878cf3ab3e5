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
// over loopback say whether a flow leaves an entry. If nothing is tracked, nothing is done. If entries still appear, the
// firewall lets less through than before, or what this host passes on to the port of others ends, everything is taken back,
// and the report says why. A port that DNAT leads elsewhere, or leads to, is refused. One that
// is exempt by our whole table already is looked at once and left as it is.
//
// It works in the calling thread's network namespace, whose goroutine must be locked to its thread if that is not the
// process's, and needs CAP_NET_ADMIN. The error is about what could not be done; a cure that did not hold is in the report.
func Cure(ctx context.Context, port uint16, window time.Duration) (r CureReport, err error) {
	if r.Already, err = wholly(port); err != nil {
		return r, err
	}
	if r.Already {
		return r, probeOnce(port, &r.After)
	}
	if err := refuseTranslated(ctx, port); err != nil {
		return r, err
	}
	defer func() {
		if err != nil || r.RolledBack || r.Needless {
			_, undone := UnexemptPort(port)
			err = errors.Join(err, undone)
		}
	}()
	if r.Before, err = look(ctx, port, window, 1, nil); err != nil {
		return r, err
	}
	if r.Before.TrackedKnown && !r.Before.Tracked && !r.Before.In.suffers() {
		// Loopback alone may be exempt.
		entries, err := ReadEntries(ctx, port)
		if r.Needless = err == nil && entries.Total == 0; r.Needless || err != nil {
			return r, err
		}
	}
	if err = refuseTranslated(ctx, port); err != nil { // a flow may have come meanwhile
		return r, err
	}
	if r.After, err = look(ctx, port, window, maxWindows, exemptChains(port)); err != nil {
		return r, err
	}
	if r.Reason = judgeCure(port, r.Before, r.After); r.Reason != "" {
		r.RolledBack = true
		return r, nil
	}
	_, enough := r.After.In.Share()
	r.Unproven = !enough
	if r.Risk, err = acceptsByState(port); err != nil {
		return r, err
	}
	return r, ExemptPort(port)
}

// maxWindows is how long Cure waits at most for as many datagrams as prove that the firewall lets them in.
const maxWindows = 5

// Places where counters stand: before all else, and behind all firewalls.
const (
	priorityFirst = nftables.ChainPriority(-301)
	priorityLast  = nftables.ChainPriority(1000)
)

// counterChains count datagrams of the port, in each chain first those of other hosts, then those over loopback; of those
// that are passed on, first the ones to the port, then the ones from it.
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
	var passed [][]expr.Any
	for _, offset := range []uint32{udpDestinationPort, udpSourcePort} {
		passed = append(passed, append(matchPort(offset, port), &expr.Counter{}))
	}
	return []chainRules{
		{"passed_on", nftables.ChainHookForward, priorityLast, passed},
		{"came_in", nftables.ChainHookPrerouting, priorityFirst, in},
		{"got_in", nftables.ChainHookInput, priorityLast, in},
		{"came_out", nftables.ChainHookOutput, priorityFirst, out},
		{"got_out", nftables.ChainHookPostrouting, priorityLast, out},
	}
}

// look installs the counters, with more chains, and tells after the window what they counted. While too few datagrams of
// other hosts have come, it waits for another window, and so on up to the number of windows.
func look(ctx context.Context, port uint16, window time.Duration, windows int, more []chainRules) (r Round, err error) {
	if err := install(port, append(counterChains(port), more...)); err != nil {
		return r, err
	}
	if err := probeOnce(port, &r); err != nil {
		return r, err
	}
	for range windows {
		select {
		case <-time.After(window):
		case <-ctx.Done():
			return r, context.Cause(ctx)
		}
		if err := readCounters(port, &r); err != nil {
			return r, err
		}
		if _, enough := r.In.Share(); enough {
			break
		}
	}
	return r, nil
}

// readCounters reads what got through before what came, so that a datagram that is under way looks lost rather than made
// up; the few are within what worse allows.
func readCounters(port uint16, r *Round) error {
	c, err := nftables.New()
	if err != nil {
		return fmt.Errorf("open nftables: %w", err)
	}
	var loopOut Passage
	var to, from uint64
	for _, read := range []struct {
		chain       string
		other, loop *uint64
	}{
		{"got_in", &r.In.Through, &r.Loop.Through}, {"came_in", &r.In.Came, &r.Loop.Came},
		{"got_out", &r.Out.Through, &loopOut.Through}, {"came_out", &r.Out.Came, &loopOut.Came},
		{"passed_on", &to, &from},
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
	r.Forwarded = to + from
	return nil
}

// curePayload is what look sends: one byte, which no protocol takes for a message of its own; a DHT node, for one, drops
// what does not begin with "d". cureProbes is how often.
var curePayload = []byte{0}

const cureProbes = 3

// probeOnce sends datagrams to the port on 127.0.0.1 and asks for their flow's entry. Whether anybody listens there does
// not matter: the packet filter comes before the socket.
func probeOnce(port uint16, r *Round) (err error) {
	r.Tracked, r.Refused, err = leavesEntry(netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), port))
	// A full table refuses the datagrams, whose flow then has no entry either.
	r.TrackedKnown = err == nil && (r.Tracked || r.Refused == 0)
	return err
}

// leavesEntry sends datagrams from a new port to an address and reports whether their flow left an entry, which it
// removes, and how many the kernel refused to send.
func leavesEntry(to netip.AddrPort) (tracked bool, refused int, err error) {
	socket, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		return false, 0, fmt.Errorf("open probe socket: %w", err)
	}
	defer socket.Close()
	for range cureProbes {
		switch _, err := socket.Write(curePayload); {
		case errors.Is(err, unix.EPERM):
			refused++
		case err != nil && !errors.Is(err, unix.ECONNREFUSED): // of the one before: nobody listens
			return false, refused, fmt.Errorf("send probe to %v: %w", to, err)
		}
	}
	from := socket.LocalAddr().(*net.UDPAddr).AddrPort()
	conn, err := ct.Dial(nil)
	if err != nil {
		return false, refused, fmt.Errorf("dial conntrack netlink: %w", err)
	}
	defer conn.Close()
	flow := ct.NewFlow(unix.IPPROTO_UDP, 0, from.Addr().Unmap(), to.Addr(), from.Port(), to.Port(), 0, 0)
	err = conn.Delete(flow)
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return false, refused, fmt.Errorf("look for the probe's entry: %w", err)
	}
	return err == nil, refused, nil
}
