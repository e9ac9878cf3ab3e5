package trial

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strconv"
	"time"

	"supernode/bench/lab"
	"supernode/bench/measure"
	"supernode/bench/plan"
	"supernode/bench/record"
)

// Setup describes a rig.
type Setup struct {
	Server    string         // command; words are separated by spaces, {addr} stands for Addr
	Addr      netip.AddrPort // where the server answers
	Generator string         // path of the program
	Flows     int            // at most in any trial
	Ready     time.Duration  // how long the server may take from its start to its first answer

	// What the generator is to know besides. Zero values leave it its own.
	Payload    string // what the server speaks
	Infohashes int
	NodesFile  string // where to write the flows as nodes

	// Prepare is called, if it is not nil, when the generator is there and before the server is started.
	Prepare func() error
}

// Rig is a server and the generator aimed at it, both alive, and the clocks of both.
type Rig struct {
	lab    *lab.Lab
	server *server
	gen    *generator
	clocks *measure.Reader
	dht    bool // the server speaks the DHT's protocol
	silent int  // trials without an answer, up to the last
}

// Assemble starts the generator and the server, waits until the server answers, and opens the clocks. On an error
// nothing is left running.
func Assemble(ctx context.Context, l *lab.Lab, s Setup) (r *Rig, err error) {
	r = &Rig{lab: l, dht: s.Payload == ""}
	defer func() {
		if err != nil {
			err = errors.Join(err, r.Close())
			r = nil
		}
	}()
	if err := r.aim(ctx, s); err != nil {
		return r, err
	}
	if s.Prepare != nil {
		if err := s.Prepare(); err != nil {
			return r, err
		}
	}
	server, err := startServer(l, s.Server, s.Addr)
	if err != nil {
		return r, err
	}
	r.server = server
	if err := r.awaitAnswer(ctx, s.Ready); err != nil {
		return r, err
	}
	if err := r.server.checkAlone(); err != nil {
		return r, err
	}
	spec := l.Spec()
	r.clocks, err = measure.Open(measure.Target{
		ServerPID: r.server.PID(), ClientPID: r.gen.PID(),
		ServerNAPI: l.NAPI(lab.Server), ClientNAPI: l.NAPI(lab.Client),
		ServerCPU: spec.ServerCPU, ClientCPU: spec.ClientCPU,
		InServer: func(f func() error) error { return l.Do(lab.Server, f) },
	})
	return r, err
}

// lossTimeout is how long the generator waits for an answer before the query counts as lost, and for late answers after
// each trial. On a link without a wire an answer is there in a millisecond, or it does not come.
const lossTimeout = 100 * time.Millisecond

// aim starts the generator on the client's core, with flows over the addresses that the client owns.
func (r *Rig) aim(ctx context.Context, s Setup) error {
	spec := r.lab.Spec()
	sources := spec.Sources4
	if s.Addr.Addr().Is6() {
		sources = spec.Sources6
	}
	args := []string{"--control", "--quiet", "--timeout", lossTimeout.String(), "--flows", strconv.Itoa(s.Flows), "--sources", sources.String()}
	if s.Payload != "" {
		args = append(args, "--payload", s.Payload)
	}
	if s.Infohashes > 0 {
		args = append(args, "--infohashes", strconv.Itoa(s.Infohashes))
	}
	if s.NodesFile != "" {
		args = append(args, "--nodes-file", s.NodesFile)
	}
	cmd := exec.Command(s.Generator, append(args, s.Addr.String())...)
	gen, err := startGenerator(ctx, cmd, func(cmd *exec.Cmd) error { return r.lab.Start(lab.Client, spec.ClientCPU, cmd) })
	if err != nil {
		return err
	}
	r.gen = gen
	return nil
}

// awaitAnswer asks a little until something is answered.
func (r *Rig) awaitAnswer(ctx context.Context, ready time.Duration) error {
	nothing := func() error { return nil }
	load := Load{Rate: 100, DurationS: 0.1, Flows: 1, Seed: 1}
	if r.dht {
		load.Mix = "ping=1"
	}
	for give := time.Now().Add(ready); ; {
		got, err := r.run(ctx, load, nothing, nothing)
		if err != nil || got.Answered > 0 {
			return err
		}
		if time.Now().After(give) {
			what := "a ping"
			if !r.dht {
				what = "anything"
			}
			return fmt.Errorf("%s has not answered %s at %v for %v (does it listen there, and speak the protocol?)%s",
				r.server, what, r.server.addr, ready, r.server.lastWords())
		}
	}
}

// run has the generator make a trial. A server that has ended is the error, whatever else went wrong by that.
func (r *Rig) run(ctx context.Context, load Load, begin, end func() error) (result, error) {
	ctx, stop := r.server.during(ctx)
	defer stop()
	out, err := r.gen.run(ctx, load, begin, end)
	if gone := r.server.gone(); gone != nil {
		return out, gone
	}
	return out, err
}

// Close stops both programs and closes the clocks.
func (r *Rig) Close() error {
	var errs []error
	if r.clocks != nil {
		errs = append(errs, r.clocks.Close())
	}
	if r.gen != nil {
		errs = append(errs, r.gen.Stop())
	}
	if r.server != nil {
		errs = append(errs, r.server.Stop())
	}
	return errors.Join(errs...)
}

// RSS is the server's resident memory in bytes.
func (r *Rig) RSS() (uint64, error) { return measure.RSS(r.server.PID()) }

// Signal sends the server a signal.
func (r *Rig) Signal(s os.Signal) error {
	if err := r.server.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("send %v to %s: %w", s, r.server, err)
	}
	return nil
}

// Port is the one the server answers on.
func (r *Rig) Port() uint16 { return r.server.addr.Port() }

var rulesets = map[plan.Arm]lab.Ruleset{
	plan.Off: lab.RulesPlain, plan.Control: lab.RulesPlain, plan.Burn: lab.RulesPlain,
	plan.On: lab.RulesStateful, plan.Notrack: lab.RulesNotrack,
}

// Run makes one trial: it puts the arm's ruleset in place, proves that tracking is as the arm says, and measures.
func (r *Rig) Run(ctx context.Context, slot plan.Slot, load Load) (record.Trial, error) {
	t := record.Trial{Slot: slot}
	rules, ok := rulesets[slot.Arm]
	if !ok {
		return t, fmt.Errorf("arm %q has no ruleset", slot.Arm)
	}
	if err := r.lab.SetRules(rules, r.Port()); err != nil {
		return t, fmt.Errorf("set rules of arm %s: %w", slot.Arm, err)
	}
	var err error
	if t.Tracking, err = r.tracking(ctx); err != nil {
		return t, fmt.Errorf("prove whether arm %s tracks: %w", slot.Arm, err)
	}
	if t.Tracking != slot.Arm.Tracks() {
		return t, fmt.Errorf("arm %s: tracking is active: %v, which is not what the arm is; is the host's kernel given other rules for new namespaces?", slot.Arm, t.Tracking)
	}
	if err := r.Measure(ctx, &t, load); err != nil {
		return t, err
	}
	return t, checkEntries(&t)
}

// provingTimeout is how long the canary is tried again: on a machine that is busy elsewhere it may not get through.
const provingTimeout = 10 * time.Second

func (r *Rig) tracking(ctx context.Context) (active bool, err error) {
	for give := time.Now().Add(provingTimeout); ; {
		active, err = r.lab.TrackingActive()
		if err == nil || ctx.Err() != nil || time.Now().After(give) {
			return active, err
		}
	}
}

// checkEntries compares what tracking left behind with what the arm stands for: entries for the queries' flows under
// On, if any were answered, and none at all where nothing is tracked. Under Notrack other flows than the measured ones may leave some, a
// socket that the server opens beside its port for example; too many are for the report to judge.
func checkEntries(t *record.Trial) error {
	n := t.Conntrack.Entries
	if t.Arm == plan.Notrack {
		if n > 0 {
			t.Warnings = append(t.Warnings, "the exempted port's server has flows that are tracked")
		}
		return nil
	}
	if t.Arm == plan.On && t.Answered == 0 {
		return nil
	}
	if tracked := t.Arm == plan.On; tracked != (n > 0) {
		return fmt.Errorf("arm %s: %d conntrack entries after the trial, which is not what the arm is", t.Arm, n)
	}
	return nil
}
