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
)

// Setup describes a rig.
type Setup struct {
	Server    string         // command; words are separated by spaces, {addr}, {host} and {port} stand for Addr and its parts
	Addr      netip.AddrPort // where the server answers
	Generator string         // path of the program
	Flows     int            // at most in any trial
	Ready     time.Duration  // how long the server may take from its start to its first answer

	// What the generator is to know besides. Zero values leave it its own.
	Payload    string // what the server speaks; empty: the DHT's protocol
	ReplyAt    *int   // where in a reply the number of a hex: Payload stands; nil: where it does in the query
	Infohashes int
	NodesFile  string // where to write the flows as nodes

	// Prepare is called, if it is not nil, when the generator is there and before the server is started.
	Prepare func() error
}

// Rig is a server and the generator aimed at it, both alive, and the clocks of both.
type Rig struct {
	lab    *lab.Lab
	setup  Setup
	server *server
	gen    *generator
	clocks *measure.Reader
	watch  *watch
	dht    bool // the server speaks the DHT's protocol
	silent int  // trials without an answer, up to the last

	silentFor time.Duration // their intervals together
}

// Assemble starts the generator and the server, waits until the server answers, and opens the clocks. On an error
// nothing is left running.
func Assemble(ctx context.Context, l *lab.Lab, s Setup) (r *Rig, err error) {
	r = &Rig{lab: l, setup: s, dht: s.Payload == ""}
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
	if r.watch, err = newWatch(l, r.server.PID()); err != nil {
		return r, err
	}
	spec := l.Spec()
	r.clocks, err = measure.Open(measure.Target{
		ServerPID: r.server.PID(), ClientPID: r.gen.PID(),
		ServerNAPI: l.NAPI(lab.Server), ClientNAPI: l.NAPI(lab.Client),
		ServerCPU: spec.ServerCPU, ClientCPU: spec.ClientCPU,
		InServer: func(f func() error) error { return l.Do(lab.Server, f) },
	})
	if err != nil {
		return r, err
	}
	return r, r.meet()
}

// lossTimeout is how long the generator waits for an answer before the query counts as lost, and for late answers after
// each trial. On a link without a wire an answer is there in a millisecond, or it does not come.
const lossTimeout = 100 * time.Millisecond

// aim starts the generator on the client's core, with flows over the addresses that the client owns.
func (r *Rig) aim(ctx context.Context, s Setup) (err error) {
	r.gen, err = newGenerator(ctx, r.lab, s)
	return err
}

// newGenerator starts a generator on the client's core. Beside another it has ports of its own, and so other flows.
func newGenerator(ctx context.Context, l *lab.Lab, s Setup) (*generator, error) {
	spec := l.Spec()
	sources := spec.Sources4
	if s.Addr.Addr().Is6() {
		sources = spec.Sources6
	}
	cmd := exec.Command(s.Generator, append(s.arguments(), "--sources", sources.String(), s.Addr.String())...)
	return startGenerator(ctx, cmd, func(cmd *exec.Cmd) error { return l.Start(lab.Client, spec.ClientCPU, cmd) })
}

// arguments are the generator's, but for where it sends from and to.
func (s Setup) arguments() []string {
	args := []string{"--control", "--quiet", "--timeout", lossTimeout.String(), "--flows", strconv.Itoa(s.Flows)}
	if s.Payload != "" {
		args = append(args, "--payload", s.Payload)
	}
	if s.ReplyAt != nil {
		args = append(args, "--reply-at", strconv.Itoa(*s.ReplyAt))
	}
	if s.Infohashes > 0 {
		args = append(args, "--infohashes", strconv.Itoa(s.Infohashes))
	}
	if s.NodesFile != "" {
		args = append(args, "--nodes-file", s.NodesFile)
	}
	return args
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
	return r.runWith(ctx, r.gen, load, begin, end)
}

// runWith is run with another generator than the rig's own.
func (r *Rig) runWith(ctx context.Context, gen *generator, load Load, begin, end func() error) (result, error) {
	ctx, stop := r.server.during(ctx)
	defer stop()
	if !r.dht {
		load.Mix = "" // means nothing to what it speaks
	}
	out, err := gen.run(ctx, load, begin, end)
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
	if r.watch != nil {
		errs = append(errs, r.watch.close())
	}
	if r.gen != nil {
		errs = append(errs, r.gen.Stop())
	}
	if r.server != nil {
		errs = append(errs, r.server.Stop())
	}
	return errors.Join(errs...)
}

// RSS is the server's resident memory in bytes. What its processes share is counted for each of them.
func (r *Rig) RSS() (uint64, error) { return r.server.sum(measure.RSS) }

// Signal sends the server a signal.
func (r *Rig) Signal(s os.Signal) error {
	if err := r.server.cmd.Process.Signal(s); err != nil {
		return fmt.Errorf("send %v to %s: %w", s, r.server, err)
	}
	return nil
}

// Port is the one the server answers on.
func (r *Rig) Port() uint16 { return r.server.addr.Port() }
