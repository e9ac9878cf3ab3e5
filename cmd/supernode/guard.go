package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"supernode/internal/conntrack"
)

// What --conntrack takes.
const (
	conntrackWarn    = "warn"    // watch and say
	conntrackNotrack = "notrack" // besides, exempt our ports
	conntrackIgnore  = "ignore"
)

const (
	guardFirst  = time.Second     // until the first verdict
	guardPeriod = 5 * time.Second // between verdicts
	guardSure   = 12              // so often must a better verdict come before it is believed

	guardProbe = time.Minute // between probes, while there is cause for alarm
)

// guard watches what connection tracking does to the node: beside the worker, which does not know of it, and by reading
// a few small files of the kernel's. Only before it gives alarm does it probe whether the alarm is about our port at
// all, which sends the node a datagram that it takes for rubbish. A nil guard ignores it all.
type guard struct {
	ports     []uint16
	log       *slog.Logger
	reader    *conntrack.Reader
	notrack   bool       // the ports are to be exempt, and are not yet, for want of connection tracking
	mu        sync.Mutex // of holds and closed: the watch may exempt while the node ends
	holds     []*conntrack.Hold
	closed    bool
	published atomic.Pointer[conntrackStatus]

	judge func(conntrack.Observation) conntrack.Diagnosis
	probe func(port uint16) (conntrack.Activity, error)
	hold  func(port uint16) (*conntrack.Hold, error)

	first  conntrack.Facts
	since  time.Time
	probed time.Time
	proofs map[uint16]conntrack.Activity // of the last probe of each port

	steady steady
}

// conntrackStatus is what /healthz says about connection tracking.
type conntrackStatus struct {
	Mode      string            `json:"mode"` // --conntrack
	Verdict   conntrack.Verdict `json:"verdict"`
	Evidence  string            `json:"evidence,omitempty"`
	Present   bool              `json:"present"` // in the kernel
	Entries   uint64            `json:"entries"`
	Limit     uint64            `json:"limit"`
	Drops     uint64            `json:"drops"`       // packets, because the table was full; since the namespace began
	EarlyDrop uint64            `json:"early_drops"` // entries evicted to make room, likewise
}

func newConntrackStatus(mode string, v conntrack.Verdict, f conntrack.Facts) *conntrackStatus {
	return &conntrackStatus{
		Mode: mode, Verdict: v, Present: f.Present, Entries: f.Count, Limit: f.Limit,
		Drops: f.Counters[conntrack.Drop], EarlyDrop: f.Counters[conntrack.EarlyDrop],
	}
}

// startGuard exempts the ports if that is asked for, and opens what is to be watched. Whoever gets a guard closes it.
func startGuard(mode string, listen []netip.AddrPort, log *slog.Logger) (g *guard, err error) {
	if mode == conntrackIgnore {
		return nil, nil
	}
	g = &guard{ports: portsOf(listen), log: log, judge: conntrack.Judge, probe: conntrack.Prove, hold: conntrack.HoldExempt}
	if g.reader, err = conntrack.Open(); err != nil {
		return nil, errors.Join(err, g.close())
	}
	if g.first, err = g.reader.Read(); err != nil {
		return nil, errors.Join(err, g.close())
	}
	if g.notrack = mode == conntrackNotrack; g.notrack {
		if err := g.exemptPorts(g.first); err != nil {
			return nil, errors.Join(usageError{fmt.Errorf("--conntrack notrack: %w; or leave it at --conntrack warn", err)},
				g.reader.Close(), g.close())
		}
	}
	g.since = time.Now()
	g.published.Store(newConntrackStatus(mode, conntrack.Unknown, g.first))
	return g, nil
}

// exemptPorts exempts the ports, once connection tracking is there: a rule of ours would load it.
func (g *guard) exemptPorts(f conntrack.Facts) error {
	if !f.Present {
		g.log.Info("nothing to exempt: this kernel has no connection tracking, or has not loaded it", "ports", g.ports)
		return nil
	}
	g.notrack = false
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, port := range g.ports {
		if g.closed {
			return nil
		}
		hold, err := g.hold(port)
		if err != nil {
			return err
		}
		g.holds = append(g.holds, hold)
		g.log.Info("exempt from connection tracking", "port", port, "table", "inet "+conntrack.ExemptTable(port),
			"until", map[bool]string{true: "the process ends", false: "it is stopped"}[hold.Owned])
	}
	return nil
}

// portsOf are the different ports.
func portsOf(addrs []netip.AddrPort) (ports []uint16) {
	for _, a := range addrs {
		if !slices.Contains(ports, a.Port()) {
			ports = append(ports, a.Port())
		}
	}
	return ports
}

// close takes the exemptions away.
func (g *guard) close() error {
	if g == nil {
		return nil
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.closed = true
	var errs []error
	for _, hold := range g.holds {
		errs = append(errs, hold.Close())
	}
	return errors.Join(errs...)
}

// run watches until ctx ends.
func (g *guard) run(ctx context.Context) {
	if g == nil {
		return
	}
	defer func() { g.reader.Close() }()
	wait := time.NewTimer(guardFirst)
	defer wait.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-wait.C:
			if err := g.look(now); err != nil {
				g.log.Warn("connection tracking is no longer watched", "error", err)
				return
			}
			wait.Reset(guardPeriod)
		}
	}
}

// look judges what has happened since the last look, publishes it, and logs it if it is news.
func (g *guard) look(now time.Time) error {
	if !g.first.Present { // its files appear when the module is loaded
		reader, err := conntrack.Open()
		if err != nil {
			return err
		}
		g.reader.Close()
		g.reader = reader
	}
	last, err := g.reader.Read()
	if err != nil {
		return err
	}
	if g.notrack && last.Present {
		if err := g.exemptPorts(last); err != nil {
			g.log.Warn("connection tracking has come, and the ports are not exempt", "error", err)
		}
	}
	o := conntrack.Observation{Port: g.concerned(), Window: now.Sub(g.since), First: g.first, Last: last, Activity: g.activity(last)}
	d := g.judge(o)
	if rank(d.Verdict) >= rank(conntrack.NearLimit) && g.exempt(now) {
		o.Activity = g.activity(last)
		o.Port = g.concerned()
		d = g.judge(o)
	}
	g.first, g.since = last, now
	verdict, news := g.steady.take(d.Verdict)
	s := newConntrackStatus(g.published.Load().Mode, verdict, last)
	if len(d.Evidence) > 0 && verdict == d.Verdict {
		s.Evidence = d.Evidence[0]
	}
	g.published.Store(s)
	if news {
		g.say(s)
	}
	return nil
}

// activity says what can be told without a probe: a node that talks leaves entries wherever it is tracked.
func (g *guard) activity(f conntrack.Facts) conntrack.Activity {
	switch {
	case f.Count == 0:
		return conntrack.Activity{Active: conntrack.No, Evidence: "no flow of this network namespace has an entry"}
	case g.held():
		return conntrack.Activity{Active: conntrack.Yes, Exempt: true,
			Evidence: fmt.Sprintf("other flows are tracked; port %d is exempt by table inet %s", g.ports[0], conntrack.ExemptTable(g.ports[0]))}
	case g.proved():
		return g.proofs[g.ports[0]]
	}
	return conntrack.Activity{Active: conntrack.Yes, Evidence: "flows of this network namespace have entries"}
}

// held says that all ports are exempt by tables of ours.
func (g *guard) held() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return len(g.holds) == len(g.ports)
}

// proved says that the last probe found all ports exempt.
func (g *guard) proved() bool {
	return !slices.ContainsFunc(g.ports, func(port uint16) bool { return !g.proofs[port].Exempt })
}

// concerned is the port that a verdict is about: the first that is not known to be exempt, or just the first.
func (g *guard) concerned() uint16 {
	i := slices.IndexFunc(g.ports, func(port uint16) bool { return !g.proofs[port].Exempt })
	return g.ports[max(i, 0)]
}

// exempt proves, when there is cause for alarm, whether one of our ports is concerned. That needs CAP_NET_ADMIN and CAP_NET_RAW;
// without them the alarm stands.
func (g *guard) exempt(now time.Time) bool {
	if g.held() || !g.probed.IsZero() && now.Sub(g.probed) < guardProbe {
		return g.proved()
	}
	g.probed = now
	g.proofs = make(map[uint16]conntrack.Activity, len(g.ports))
	for _, port := range g.ports {
		if proof, err := g.probe(port); err == nil {
			g.proofs[port] = proof
		}
	}
	return g.proved()
}

// say logs a verdict: as a warning if something should be done.
func (g *guard) say(s *conntrackStatus) {
	args := []any{"verdict", s.Verdict, "port", g.concerned(), "evidence", s.Evidence, "entries", s.Entries, "limit", s.Limit}
	if rank(s.Verdict) >= rank(conntrack.NearLimit) {
		g.log.Warn("connection tracking", append(args, "mend", fmt.Sprintf("supernode doctor --port %d", g.concerned()))...)
		return
	}
	g.log.Info("connection tracking", args...)
}

// status is the last verdict with its numbers, nil when it is not watched.
func (g *guard) status() *conntrackStatus {
	if g == nil {
		return nil
	}
	return g.published.Load()
}

// verdicts are all there are, from best to worst.
var verdicts = []conntrack.Verdict{conntrack.Inactive, conntrack.Exempt, conntrack.Tracked, conntrack.Unknown,
	conntrack.NearLimit, conntrack.Dropping}

func rank(v conntrack.Verdict) int { return slices.Index(verdicts, v) }

// steady keeps a verdict that comes and goes from being news each time: what is worse is believed at once, what is better
// when it has come guardSure times in a row.
type steady struct {
	now   conntrack.Verdict
	times int // in a row that something better came
}

// take returns the verdict to believe, and whether it is another one than before.
func (s *steady) take(v conntrack.Verdict) (believed conntrack.Verdict, news bool) {
	better := s.now != "" && rank(v) < rank(s.now)
	if better {
		s.times++
	} else {
		s.times = 0
	}
	if v == s.now || better && s.times < guardSure {
		return s.now, false
	}
	s.now, s.times = v, 0
	return v, true
}
