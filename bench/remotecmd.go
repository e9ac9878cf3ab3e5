package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/pflag"

	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/remote"
	"supernode/bench/trial"
)

// remoteOptions are the flags of "bench conntrack" for a server on another host.
type remoteOptions struct {
	agent   string
	command string
	target  string
	secret  string
	sources string
	floodOK bool

	fewOnly bool // the patterns of more flows than one address has sockets for were left out
}

func (o *remoteOptions) register(f *pflag.FlagSet) {
	f.StringVar(&o.agent, "remote", "", "`HOST:PORT` of a bench agent beside a server on another host, which is measured there")
	f.StringVar(&o.command, "remote-cmd", "", "`COMMAND` that connects to an agent instead, as in 'ssh host sudo bench agent --stdio …'; no shell reads it")
	f.StringVar(&o.secret, "secret-file", "", "with --remote or --remote-cmd: `FILE` with the secret that the agent has")
	f.StringVar(&o.target, "target", "", "with --remote: `ADDR:PORT` of the server (default: the agent's address and the port it names)")
	f.StringVar(&o.sources, "sources", "", "with --remote: `CIDR` of addresses to send from, all of them this host's")
	f.BoolVar(&o.floodOK, "i-may-flood-this", false, "with --remote: allow a public target: you have its owner's consent")
}

// asked says whether the server is on another host.
func (o *remoteOptions) asked() bool { return o.agent != "" || o.command != "" }

// check finds what does not go with the flags for a server on another host, or with their absence.
func (o *remoteOptions) check(given func(flag string) bool, spec *plan.Spec) error {
	if !o.asked() {
		for _, flag := range []string{"secret-file", "target", "sources", "i-may-flood-this"} {
			if given(flag) {
				return usagef("--%s: only means something with --remote, leave it out", flag)
			}
		}
		return nil
	}
	switch {
	case o.agent != "" && o.command != "":
		return usagef("--remote-cmd: means an agent, as --remote does, leave one of them out")
	case o.command != "" && o.target == "":
		return usagef("--target: is missing: with --remote-cmd nothing else tells where the server is")
	case o.secret == "":
		return usagef("--secret-file: is missing: the file with the secret that the agent was started with")
	case given("server-cmd"):
		return usagef("--server-cmd: with --remote the server is the agent's, leave one of them out")
	}
	if _, _, err := net.SplitHostPort(o.agent); err != nil && o.agent != "" {
		return usagef("--remote %q: must be HOST:PORT", o.agent)
	}
	if given("target") {
		if _, err := netip.ParseAddrPort(o.target); err != nil {
			return usagef("--target %q: must be ADDR:PORT", o.target)
		}
	}
	if given("sources") {
		if _, err := netip.ParsePrefix(o.sources); err != nil {
			return usagef("--sources %q: must be ADDRESS/BITS, as in 198.51.100.0/24", o.sources)
		}
	}
	for _, flag := range []string{"searches", "resolution", "server-port", "ready-timeout"} {
		if given(flag) {
			return usagef("--%s: is for a server on this machine, leave it out", flag)
		}
	}
	spec.Searches, spec.Resolution = 0, 0
	for _, flag := range []string{"curves", "full-limit"} {
		if given(flag) {
			return usagef("--%s: fills a table, which cannot be had on a host that others use, leave it out", flag)
		}
	}
	if i := slices.Index(spec.Patterns, plan.Fresh); i >= 0 && given("flows") {
		return usagef("--flows %s: fills a table, which cannot be had on a host that others use, leave it out", plan.Fresh)
	}
	spec.Patterns = slices.DeleteFunc(slices.Clone(spec.Patterns), func(p plan.Pattern) bool { return p == plan.Fresh })
	if err := o.fitFlows(given, spec); err != nil {
		return err
	}
	possible := func(a plan.Arm) bool { return slices.Contains(remote.Arms(), a) }
	if i := slices.IndexFunc(spec.Arms, func(a plan.Arm) bool { return !possible(a) }); i >= 0 && given("arms") {
		return usagef("--arms %s: cannot be had on a host that others use, leave it out", spec.Arms[i])
	}
	spec.Arms = slices.DeleteFunc(slices.Clone(spec.Arms), func(a plan.Arm) bool { return !possible(a) })
	return nil
}

// fitFlows leaves out the patterns that need more addresses than there are: loadgen opens a socket for each flow of an address,
// and no more than 1,024 of them.
func (o *remoteOptions) fitFlows(given func(flag string) bool, spec *plan.Spec) error {
	if o.sources != "" || !slices.Contains(spec.Patterns, plan.Many) {
		return nil
	}
	if given("flows") {
		return usagef("--flows %s: takes more addresses than one: give --sources, or --flows %s", plan.Many, plan.Few)
	}
	spec.Patterns, o.fewOnly = []plan.Pattern{plan.Few}, true
	return nil
}

// dialTimeout is how long the agent may take to answer the call.
const dialTimeout = 10 * time.Second

// conductRemote makes the trials with a server on another host. However it ends, the agent takes its rules away.
func (r *experiment) conductRemote(ctx context.Context, o remoteOptions) (err error) {
	defer r.progress.clear()
	secret, err := remote.ReadSecret(o.secret)
	if err != nil {
		return usageError{err}
	}
	r.progress.say("calling the agent")
	conn, err := o.call(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	agent, err := remote.Open(conn, secret)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, agent.Close()) }()
	facts, err := agent.Facts()
	if err != nil {
		return err
	}
	target, err := o.targetAddr(conn, facts)
	if err != nil {
		return err
	}
	if _, err := agent.SetArm(plan.Off); err != nil {
		return err
	}
	var sources netip.Prefix
	if o.sources != "" {
		sources = netip.MustParsePrefix(o.sources)
	}
	if o.fewOnly {
		r.note("pattern %s was left out: it takes more addresses to send from than one (--sources)", plan.Many)
	}
	rig, err := trial.AssembleRemote(ctx, trial.RemoteSetup{
		Agent: agent, Target: target, Generator: r.loadgen, Flows: mostFlows(r.plan.Spec), Sources: sources, FloodOK: o.floodOK,
		Payload: r.setup.Payload, ReplyAt: r.setup.ReplyAt,
	})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rig.Close()) }()
	if err := r.fillAndPilot(ctx, rig, func() error { return nil }); err != nil {
		return err
	}
	w, err := record.Create(r.dir, r.remoteHeader(ctx, facts, target))
	if err != nil {
		return err
	}
	recorded, err := r.trials(ctx, rig, w)
	return errors.Join(err, w.Close(), r.keep(recorded))
}

// call connects to the agent.
func (o *remoteOptions) call(ctx context.Context) (remote.Stream, error) {
	if o.command != "" {
		return runAgent(strings.Fields(o.command))
	}
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", o.agent)
	if err != nil {
		return nil, fmt.Errorf("call the agent (does it run, and is its port open?): %w", err)
	}
	return conn, nil
}

// targetAddr is where the server answers.
func (o *remoteOptions) targetAddr(stream remote.Stream, facts remote.Facts) (netip.AddrPort, error) {
	conn, dialled := stream.(net.Conn)
	if o.target != "" || !dialled {
		return netip.ParseAddrPort(o.target)
	}
	peer, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return peer, fmt.Errorf("where the agent is: %w (say --target)", err)
	}
	return netip.AddrPortFrom(peer.Addr().Unmap(), facts.Port), nil
}

// child is a stream to a program's standard input and from its output.
type child struct {
	pipes
	cmd      *exec.Cmd
	patience time.Duration // how long each way of asking it to end may take
}

// childTime leaves an agent the time to undo its rules.
const childTime = 5 * time.Second

func runAgent(words []string) (*child, error) {
	theirIn, ourOut, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	ourIn, theirOut, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, theirIn.Close(), ourOut.Close())
	}
	c := &child{pipes{ourIn, ourOut}, exec.Command(words[0], words[1:]...), childTime}
	c.cmd.Stdin, c.cmd.Stdout, c.cmd.Stderr = theirIn, theirOut, os.Stderr
	c.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // the terminal's Ctrl-C is for the harness, which then ends the session
	err = errors.Join(c.cmd.Start(), theirIn.Close(), theirOut.Close())
	if err != nil {
		return nil, errors.Join(fmt.Errorf("--remote-cmd: %w", err), c.pipes.Close())
	}
	return c, nil
}

// Close ends the program by the end of its input. One that does not heed that, such as an ssh that waits for a password on the
// terminal, is asked by signals, and what it has started with it.
func (c *child) Close() error {
	err := c.pipes.Close()
	done := make(chan error, 1)
	go func() { done <- c.cmd.Wait() }()
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		select {
		case ended := <-done:
			return errors.Join(err, ended)
		case <-time.After(c.patience):
		}
		_ = syscall.Kill(-c.cmd.Process.Pid, s)
	}
	return errors.Join(err, fmt.Errorf("--remote-cmd: it did not end by itself: %w", <-done))
}

// remoteHeader describes a run over two hosts before its first trial.
func (r *experiment) remoteHeader(ctx context.Context, facts remote.Facts, target netip.AddrPort) record.Header {
	here := thisMachine()
	h := record.Header{
		Started: time.Now().UTC(), Command: os.Args, Plan: r.plan.Spec, Machine: facts.Machine, Client: &here,
		Payload: r.setup.Payload, ReplyAt: r.setup.ReplyAt,
		Versions: map[string]string{"bench": version, "server": facts.Server, "loadgen": versionOf(ctx, r.loadgen)},
		Notes: []string{
			fmt.Sprintf("measured over two hosts: the server at %v, and the generator on another machine (%s, %s)", target, here.CPU, here.Kernel),
			"receive work is the softirq time of all processors of the server's host, less what it had at rest, " +
				"as the kernel samples it at its ticks: coarse in one trial, and other traffic of that host is in it",
		},
	}
	h.Notes = append(h.Notes, r.notes...)
	if !facts.Tracks {
		h.Notes = append(h.Notes, "the baseline has no rule of ours, arm on has two chains of rules and notrack four: what nftables' "+
			"own hooks cost, whatever their rules do, is part of the difference")
	} else {
		h.Notes = append(h.Notes, "the server's host tracks by rules of its own, which were left alone: the baseline is the port exempted from "+
			"tracking, not a host without tracking, and notrack is the same once more ("+facts.Why+"); the exemption "+
			"is two chains of rules, which arm on lacks: what nftables' own hooks cost is part of the difference")
	}
	return h
}
