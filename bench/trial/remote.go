package trial

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"supernode/bench/lab"
	"supernode/bench/measure"
	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/remote"
	"supernode/internal/conntrack"
)

// RemoteSetup describes a rig whose server is on another host.
type RemoteSetup struct {
	Agent     *remote.Client // on that host
	Target    netip.AddrPort // the server's
	Generator string         // path of the program
	Flows     int            // at most in any trial
	Sources   netip.Prefix   // addresses to send from, all of them this host's; the zero Prefix: the one that leads there
	Payload   string         // what the server speaks, if not the DHT's protocol
	ReplyAt   *int           // as in Setup
	FloodOK   bool           // a public target has its owner's consent
}

// Remote is a rig over two hosts: the generator here, and an agent beside the server.
type Remote struct {
	gen   *generator
	agent *remote.Client
	rest  float64 // ns of softirq a second on the server's host before any load
}

// restTime is how long the server's host is watched before it is loaded.
const restTime = time.Second

// AssembleRemote starts the generator and looks at what the other host does at rest.
func AssembleRemote(ctx context.Context, s RemoteSetup) (*Remote, error) {
	args := []string{"--control", "--quiet", "--flows", strconv.Itoa(s.Flows)}
	if s.Sources.IsValid() {
		args = append(args, "--sources", s.Sources.String())
	}
	if s.Payload != "" {
		args = append(args, "--payload", s.Payload)
	}
	if s.ReplyAt != nil {
		args = append(args, "--reply-at", strconv.Itoa(*s.ReplyAt))
	}
	if s.FloodOK {
		args = append(args, "--i-may-flood-this")
	}
	cmd := exec.Command(s.Generator, append(args, s.Target.String())...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the terminal's Ctrl-C is for the harness, whose end it sees on its input
	gen, err := startGenerator(ctx, cmd, (*exec.Cmd).Start)
	if err != nil {
		return nil, err
	}
	r := &Remote{gen: gen, agent: s.Agent}
	before, err := s.Agent.Read()
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	select {
	case <-ctx.Done():
		return nil, errors.Join(context.Cause(ctx), r.Close())
	case <-time.After(restTime):
	}
	after, err := s.Agent.Read()
	if err != nil {
		return nil, errors.Join(err, r.Close())
	}
	r.rest = float64(after.CPU.SoftIRQ-before.CPU.SoftIRQ) / (after.At - before.At).Seconds()
	return r, nil
}

// Fill sends load to fill the server's tables, and shows that it answers.
func (r *Remote) Fill(ctx context.Context, load Load) error {
	nothing := func() error { return nil }
	got, err := r.gen.run(ctx, load, nothing, nothing)
	if err == nil && got.Answered+got.Late == 0 {
		err = fmt.Errorf("the server answered none of %d queries: is the target's address right, and does a firewall let them through?", got.Sent)
	}
	return err
}

// Run makes one trial: it has the agent put the arm's ruleset in place and prove it, and measures.
func (r *Remote) Run(ctx context.Context, slot plan.Slot, load Load) (record.Trial, error) {
	t := record.Trial{Slot: slot}
	proof, err := r.agent.SetArm(slot.Arm)
	if err != nil {
		return t, err
	}
	// Where the host tracks by itself, the baseline is the exempt port.
	t.Tracking = proof.Active && (slot.Arm.Tracks() || !proof.Exempt)
	if err := r.Measure(ctx, &t, load); err != nil {
		return t, err
	}
	return t, checkEntries(&t)
}

// Measure makes a trial under the rules that are in place. Receive work is the softirq time of the server's host, of all
// processors and interfaces, less what it had at rest.
func (r *Remote) Measure(ctx context.Context, t *record.Trial, load Load) error {
	if load.Prime != nil {
		nothing := func() error { return nil }
		if _, err := r.gen.run(ctx, *load.Prime, nothing, nothing); err != nil {
			return err
		}
	}
	var before, after remote.Reading
	var clientBefore, clientAfter int64
	var hereBefore, hereAfter measure.CPUTime
	read := func(to *remote.Reading, client *int64, here *measure.CPUTime) (err error) {
		if *client, err = measure.Process(r.gen.PID()); err != nil {
			return err
		}
		if *here, err = measure.CPU(measure.AllCPUs); err != nil {
			return err
		}
		*to, err = r.agent.Read()
		return err
	}
	got, err := r.gen.run(ctx, load, func() error {
		t.Start = time.Now().UTC()
		return read(&before, &clientBefore, &hereBefore)
	}, func() error { return read(&after, &clientAfter, &hereAfter) })
	if err != nil {
		return err
	}
	elapsed := after.At - before.At
	cpu := difference(after.CPU, before.CPU)
	t.Duration = int64(elapsed)
	t.Server, t.Client = after.Server-before.Server, clientAfter-clientBefore
	if err := charged(t.Server, got); err != nil {
		return err
	}
	t.ReceiveByTicks = true
	t.ServerNAPI = max(0, cpu.SoftIRQ-int64(r.rest*elapsed.Seconds()))
	t.Answered, t.Load = got.AnswersInInterval, got.Load
	counters := after.Counters.Sub(before.Counters)
	t.Conntrack = record.Conntrack{
		Drop: counters[conntrack.Drop], EarlyDrop: counters[conntrack.EarlyDrop], InsertFailed: counters[conntrack.InsertFailed],
	}
	if t.Conntrack.Entries, err = r.agent.Count(); err != nil {
		return err
	}
	t.ReceiveErrors = after.PortDrops - before.PortDrops
	t.CPU = []record.CPU{cpu, cpuRecord(record.AllOfClient, hereAfter.Sub(hereBefore))}
	t.Warnings = append(t.Warnings, warnings(t.Arm, measure.Delta{Elapsed: elapsed}, got, lab.Losses{})...)
	return nil
}

// charged refuses answers that cost the server's process nothing.
func charged(serverNS int64, got result) error {
	if got.AnswersInInterval > early && serverNS <= 0 {
		return fmt.Errorf("the agent's server %w for %d answers: does another process give them?", ErrUncharged, got.AnswersInInterval)
	}
	return nil
}

func difference(now, then record.CPU) record.CPU {
	return record.CPU{
		ID: now.ID, User: now.User - then.User, System: now.System - then.System, SoftIRQ: now.SoftIRQ - then.SoftIRQ,
		IRQ: now.IRQ - then.IRQ, Idle: now.Idle - then.Idle, Steal: now.Steal - then.Steal,
	}
}

// Close stops the generator. The agent is the caller's to close.
func (r *Remote) Close() error { return r.gen.Stop() }

// Served is a server that was started on this host, outside of any lab.
type Served struct{ *server }

// ServeHere starts a server on this host, in this process's namespace, for as long as this process lives.
func ServeHere(command string, addr netip.AddrPort) (*Served, error) {
	s, err := newServer(command, addr, func(cmd *exec.Cmd) error {
		cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
		return startPinned(cmd)
	})
	return &Served{s}, err
}

// Stop ends the server and what it has started.
func (s *Served) Stop() error {
	_ = s.family.meet(s.PID()) // of those that it does not find the group has the rest
	err := s.server.Stop()
	_ = syscall.Kill(-s.PID(), syscall.SIGKILL) // workers whose parent has ended are no longer its children
	return err
}

// Done is closed when the server has ended.
func (s *Served) Done() <-chan struct{} { return s.done }

// Check is the error of a server that has ended, or that has started others, whose time would not be counted.
func (s *Served) Check() error {
	if err := s.gone(); err != nil {
		return err
	}
	children, err := measure.Descendants(s.PID())
	if err == nil && len(children) > 0 {
		err = fmt.Errorf("%s has started processes %v, whose CPU time would not be counted: give the command of the server itself", s, children)
	}
	return err
}
