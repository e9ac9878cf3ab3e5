package remote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sys/unix"

	"supernode/bench/measure"
	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/internal/conntrack"
)

// LinuxHost is this host, seen from the network namespace of this process.
type LinuxHost struct {
	facts  Facts
	pid    int
	table  *conntrack.Reader
	track  *conntrack.Hold // nil where others' rules track
	exempt *conntrack.Hold
}

// Arms are those that can be had on a host that is not ours: nobody else's entries are made or removed.
func Arms() []plan.Arm { return []plan.Arm{plan.Off, plan.Control, plan.On, plan.Notrack} }

// proofTime is how long an arm's rules may take to show: the kernel takes hooks away some time after their rules.
const proofTime = 3 * time.Second

// NewHost looks at this host, where process pid serves the UDP port, and changes nothing. server is what to call it. A
// port that somebody else has exempted is refused, since undoing our exemption would undo theirs.
func NewHost(pid int, server string, port uint16, machine record.Machine) (*LinuxHost, error) {
	if _, err := measure.Process(pid); err != nil {
		return nil, err
	}
	if err := alone(pid); err != nil {
		return nil, err
	}
	there, err := conntrack.PortExempt(port)
	if err != nil {
		return nil, err
	}
	if there {
		return nil, fmt.Errorf("port %d is exempt already, by nftables table inet %s: take that away for the time of the run "+
			"(supernode doctor --port %d --undo, or --conntrack warn for a node)", port, conntrack.ExemptTable(port), port)
	}
	a, err := conntrack.Prove(port)
	if err != nil {
		return nil, fmt.Errorf("find out whether this host tracks: %w", err)
	}
	switch {
	case a.Active == conntrack.CannotSay:
		return nil, fmt.Errorf("find out whether this host tracks: %s", a.Evidence)
	case a.Active == conntrack.Yes && a.Exempt:
		return nil, fmt.Errorf("port %d is exempt already, by a rule of another: take that away for the time of the run (%s)", port, a.Evidence)
	}
	table, err := conntrack.Open()
	if err != nil {
		return nil, err
	}
	return &LinuxHost{
		pid: pid, table: table,
		facts: Facts{Machine: machine, Server: server, Port: port, Tracks: a.Active == conntrack.Yes, Why: a.Evidence},
	}, nil
}

// alone refuses a process that has others work for it, whose CPU time is not read.
func alone(pid int) error {
	children, err := measure.Descendants(pid)
	if err == nil && len(children) > 0 {
		err = fmt.Errorf("process %d has started processes %v, whose CPU time would not be counted: have the server work in one process, "+
			"or name the one that serves", pid, children)
	}
	return err
}

// Facts gives what was found at the start. A server that has begun to fork since is refused before anything is changed for it.
func (h *LinuxHost) Facts() (Facts, error) { return h.facts, alone(h.pid) }

// SetArm puts an arm's rules in place, removes the port's entries, and proves what the rules do.
func (h *LinuxHost) SetArm(arm plan.Arm) (Proof, error) {
	if !slices.Contains(Arms(), arm) {
		return Proof{}, fmt.Errorf("arm %.20q cannot be had on a host that others use", string(arm))
	}
	baseline := arm == plan.Off || arm == plan.Control
	wantTrack := !h.facts.Tracks && !baseline
	wantExempt := arm == plan.Notrack || h.facts.Tracks && baseline
	if err := errors.Join(
		toggle(&h.track, wantTrack, h.facts.Port, conntrack.HoldTracking),
		toggle(&h.exempt, wantExempt, h.facts.Port, conntrack.HoldExempt),
	); err != nil {
		return Proof{}, err
	}
	if _, err := conntrack.FlushPort(context.Background(), h.facts.Port); err != nil {
		return Proof{}, err
	}
	return h.prove(arm, h.facts.Tracks || wantTrack, wantExempt)
}

// errOutlives is of a table that would stay behind after a kill -9.
var errOutlives = errors.New("the rules could outlive the agent: tables that end with their process need Linux 5.12")

// toggle makes or closes a hold, if it is not as wanted.
func toggle(hold **conntrack.Hold, wanted bool, port uint16, make func(uint16) (*conntrack.Hold, error)) (err error) {
	switch {
	case wanted && *hold == nil:
		if *hold, err = make(port); err == nil && !(*hold).Owned {
			err = errors.Join(errOutlives, (*hold).Close())
			*hold = nil
		}
	case !wanted && *hold != nil:
		err, *hold = (*hold).Close(), nil
	}
	return err
}

// prove awaits that the port is tracked, or exempt, as the rules say.
func (h *LinuxHost) prove(arm plan.Arm, active, exempt bool) (Proof, error) {
	for give := time.Now().Add(proofTime); ; time.Sleep(10 * time.Millisecond) {
		a, err := conntrack.Prove(h.facts.Port)
		if err != nil {
			return Proof{}, fmt.Errorf("prove arm %s: %w", arm, err)
		}
		p := Proof{Active: a.Active == conntrack.Yes, Exempt: a.Exempt, Evidence: a.Evidence}
		if a.Active != conntrack.CannotSay && p.Active == active && (p.Exempt == exempt || !active) {
			return p, nil
		}
		if time.Now().After(give) {
			return p, fmt.Errorf("arm %s: the port is not tracked as its rules say (%s): do other rules interfere?", arm, a.Evidence)
		}
	}
}

// Read reads the clocks, those in nanoseconds first.
func (h *LinuxHost) Read() (r Reading, err error) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		return r, fmt.Errorf("read monotonic clock: %w", err)
	}
	r.At = time.Duration(now.Nano())
	if r.Server, err = measure.Process(h.pid); err != nil {
		return r, err
	}
	all, err := measure.CPU(measure.AllCPUs)
	if err != nil {
		return r, err
	}
	r.CPU = record.CPU{
		ID: measure.AllCPUs, User: int64(all.User + all.Nice), System: int64(all.System), SoftIRQ: int64(all.SoftIRQ),
		IRQ: int64(all.IRQ), Idle: int64(all.Idle + all.IOWait), Steal: int64(all.Steal),
	}
	facts, err := h.table.Read()
	if err != nil {
		return r, err
	}
	r.Counters = facts.Counters
	r.PortDrops = conntrack.ReadSockets("/", h.facts.Port).PortDrops
	return r, alone(h.pid)
}

// Count counts the port's entries, in a dump of the table.
func (h *LinuxHost) Count(ctx context.Context) (uint64, error) {
	entries, err := conntrack.ReadEntries(ctx, h.facts.Port)
	if err != nil {
		return 0, err
	}
	return entries.Total, nil
}

// Restore takes our rules away.
func (h *LinuxHost) Restore() error {
	err := errors.Join(h.exempt.Close(), h.track.Close())
	h.exempt, h.track = nil, nil
	return err
}

// Close takes our rules away and closes what was opened.
func (h *LinuxHost) Close() error { return errors.Join(h.Restore(), h.table.Close()) }
