package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
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
	target  string
	secret  string
	sources string
	floodOK bool
}

func (o *remoteOptions) register(f *pflag.FlagSet) {
	f.StringVar(&o.agent, "remote", "", "`HOST:PORT` of a bench agent beside a server on another host, which is measured there")
	f.StringVar(&o.secret, "secret-file", "", "with --remote: `FILE` with the secret that the agent has")
	f.StringVar(&o.target, "target", "", "with --remote: `ADDR:PORT` of the server (default: the agent's address and the port it names)")
	f.StringVar(&o.sources, "sources", "", "with --remote: `CIDR` of addresses to send from, all of them this host's")
	f.BoolVar(&o.floodOK, "i-may-flood-this", false, "with --remote: allow a public target: you have its owner's consent")
}

// check finds what does not go with the flags for a server on another host, or with their absence.
func (o *remoteOptions) check(given func(flag string) bool, spec *plan.Spec) error {
	if o.agent == "" {
		for _, flag := range []string{"secret-file", "target", "sources", "i-may-flood-this"} {
			if given(flag) {
				return usagef("--%s: only means something with --remote, leave it out", flag)
			}
		}
		return nil
	}
	switch {
	case o.secret == "":
		return usagef("--secret-file: is missing: the file with the secret that the agent was started with")
	case given("server-cmd"):
		return usagef("--server-cmd: with --remote the server is the agent's, leave one of them out")
	}
	if _, _, err := net.SplitHostPort(o.agent); err != nil {
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
	possible := func(a plan.Arm) bool { return slices.Contains(remote.Arms(), a) }
	if i := slices.IndexFunc(spec.Arms, func(a plan.Arm) bool { return !possible(a) }); i >= 0 && given("arms") {
		return usagef("--arms %s: cannot be had on a host that others use, leave it out", spec.Arms[i])
	}
	spec.Arms = slices.DeleteFunc(slices.Clone(spec.Arms), func(a plan.Arm) bool { return !possible(a) })
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
	r.progress.say("calling the agent at %s", o.agent)
	dialer := net.Dialer{Timeout: dialTimeout}
	conn, err := dialer.DialContext(ctx, "tcp", o.agent)
	if err != nil {
		return fmt.Errorf("call the agent (does it run, and is its port open?): %w", err)
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
	rig, err := trial.AssembleRemote(ctx, trial.RemoteSetup{
		Agent: agent, Target: target, Generator: r.loadgen, Flows: plan.Many.Flows(), Sources: sources, FloodOK: o.floodOK,
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

// targetAddr is where the server answers.
func (o *remoteOptions) targetAddr(conn net.Conn, facts remote.Facts) (netip.AddrPort, error) {
	if o.target != "" {
		return netip.ParseAddrPort(o.target)
	}
	peer, err := netip.ParseAddrPort(conn.RemoteAddr().String())
	if err != nil {
		return peer, fmt.Errorf("where the agent is: %w (say --target)", err)
	}
	return netip.AddrPortFrom(peer.Addr().Unmap(), facts.Port), nil
}

// remoteHeader describes a run over two hosts before its first trial.
func (r *experiment) remoteHeader(ctx context.Context, facts remote.Facts, target netip.AddrPort) record.Header {
	here := thisMachine()
	h := record.Header{
		Started: time.Now().UTC(), Command: os.Args, Plan: r.plan.Spec, Machine: facts.Machine, Client: &here,
		Versions: map[string]string{"bench": version, "server": facts.Server, "loadgen": versionOf(ctx, r.loadgen)},
		Notes: []string{
			fmt.Sprintf("measured over two hosts: the server at %v, and the generator on another machine (%s, %s)", target, here.CPU, here.Kernel),
			"receive work is the softirq time of all processors of the server's host, less what it had at rest, " +
				"as the kernel samples it at its ticks: coarse in one trial, and other traffic of that host is in it",
		},
	}
	if facts.Tracks {
		h.Notes = append(h.Notes, "the server's host tracks by rules of its own, which were left alone: the baseline is the port exempted from "+
			"tracking, not a host without tracking, and notrack is the same once more ("+facts.Why+")")
	}
	return h
}
