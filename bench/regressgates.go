package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"supernode/bench/gates"
	"supernode/bench/inprocess"
	"supernode/bench/plan"
	"supernode/bench/regress"
)

func (r *regression) gate(g regress.Gate) { r.result.Gates = append(r.result.Gates, g) }

// fixedGates compares what needs no more than a look: sizes of files, and of memory.
func (r *regression) fixedGates(ctx context.Context) error {
	for _, name := range []string{supernodeBinary, loadgenBinary} {
		if r.missing[name] {
			continue
		}
		if (r.base.Source == "") != (r.head.Source == "") {
			r.notCompared("size of %s: one side came built, with who knows what flags", name)
			continue
		}
		base, err := os.Stat(filepath.Join(r.base.Programs, name))
		if err != nil {
			return err
		}
		head, err := os.Stat(filepath.Join(r.head.Programs, name))
		if err != nil {
			return err
		}
		r.gate(regress.Growth("size of "+name, "B", float64(base.Size()), float64(head.Size()), r.options.sizeLimit/100))
	}
	for _, e := range inprocess.Exacts() {
		if r.missing[inprocess.Binary(e.Package)] {
			continue
		}
		if e.Full && r.options.short {
			r.notCompared("%s: it takes too long for --short", e.Name)
			continue
		}
		if err := r.exactGate(ctx, e); err != nil {
			return err
		}
	}
	return nil
}

// exactGate runs an exact benchmark of both sides, beside each other: it looks at no clock.
func (r *regression) exactGate(ctx context.Context, e inprocess.Exact) error {
	r.progress.say("%s", e.Name)
	type outcome struct {
		value float64
		ok    bool
		err   error
	}
	bases := make(chan outcome, 1)
	go func() {
		value, ok, err := e.Once(ctx, r.base)
		bases <- outcome{value, ok, err}
	}()
	head, headOK, err := e.Once(ctx, r.head)
	base := <-bases
	switch {
	case err != nil:
		return fmt.Errorf("head: %w", err)
	case base.err != nil:
		r.notCompared("%s: base: %v", e.Name, base.err)
	case !base.ok || !headOK:
		r.notCompared("%s: one side has no %s", e.Name, e.Bench)
	default:
		r.gate(regress.Growth(e.Name, e.Unit, base.value, head, e.Growth))
	}
	return nil
}

// Load of the gates that need a running server, on loopback: a closed loop, so that batches have something to hold.
const (
	liveWindow   = 256
	liveDuration = time.Second
)

// liveGates compares what servers do by their own account. They run on loopback, and in a lab where there may be one.
func (r *regression) liveGates(ctx context.Context) error {
	if !r.supernodes {
		return nil
	}
	if err := r.callsGates(ctx); err != nil {
		return err
	}
	if os.Geteuid() != 0 {
		r.notCompared("conntrack entries: needs root, for network namespaces")
		return nil
	}
	return r.entriesGates(ctx)
}

// callsGates compares system calls and batches under load.
func (r *regression) callsGates(ctx context.Context) error {
	const what = "system calls and batches under load"
	var calls, fill regress.Gate
	var err error
	for range 2 { // on a busy machine something may come between
		r.progress.say("system calls with %d queries outstanding", liveWindow)
		calls, fill, err = r.liveFigures(ctx)
		if ctx.Err() != nil || err == nil && !calls.Broken && !fill.Broken {
			break
		}
	}
	switch {
	case ctx.Err() == nil && errors.As(err, new(baseError)):
		r.notCompared("%s: %v", what, err)
		return nil
	case err != nil:
		return r.failed(ctx, what, err)
	}
	r.gate(calls)
	r.gate(fill)
	return nil
}

// baseError says what base cannot do: nobody can mend that now, and head is not to blame.
type baseError struct{ error }

func (e baseError) Unwrap() error { return e.error }

// entriesGates compares how many connection tracking entries a flow leaves.
func (r *regression) entriesGates(ctx context.Context) error {
	r.progress.say("conntrack entries")
	base, err := gates.Entries(ctx, filepath.Join(r.base.Programs, supernodeBinary), r.loadgen)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		r.notCompared("conntrack entries: base: %v", err)
		return nil
	}
	head, err := gates.Entries(ctx, filepath.Join(r.head.Programs, supernodeBinary), r.loadgen)
	if errors.Is(err, gates.ErrTooBusy) {
		r.notCompared("conntrack entries: %v", err)
		return nil
	}
	if err != nil {
		return r.failed(ctx, "conntrack entries", fmt.Errorf("head: %w", err))
	}
	for _, arm := range []plan.Arm{plan.Off, plan.On, plan.Notrack} {
		r.gate(regress.Slack(fmt.Sprintf("conntrack entries, arm %s", arm), "entries/flow", base[arm], head[arm], gates.EntriesSlack))
	}
	return nil
}

// liveFigures measures both sides twice, in the order ABBA, and compares base's worse figure with head's better one.
func (r *regression) liveFigures(ctx context.Context) (calls, fill regress.Gate, err error) {
	load := gates.Load{Loadgen: r.loadgen, Window: liveWindow, Duration: liveDuration, ServerCPU: r.cpu, ClientCPU: r.cpu}
	may, err := allowed()
	if err != nil {
		return calls, fill, err
	}
	for _, cpu := range may {
		if cpu != r.cpu {
			load.ServerCPU = cpu
			break
		}
	}
	var got [4]gates.Live
	for i, side := range []inprocess.Side{r.base, r.head, r.head, r.base} {
		got[i], err = gates.Measure(ctx, filepath.Join(side.Programs, supernodeBinary), load)
		isBase := i == 0 || i == 3
		switch {
		case err != nil && isBase:
			return calls, fill, baseError{fmt.Errorf("base: %w", err)}
		case err != nil:
			return calls, fill, fmt.Errorf("head: %w", err)
		case isBase && got[i].BatchFill < gates.LeastFill:
			return calls, fill, baseError{fmt.Errorf("base's batches hold %.1f datagrams, at least %g are needed to see batching lost", got[i].BatchFill, gates.LeastFill)}
		}
	}
	perDatagram := func(l gates.Live) float64 { return l.CallsPerDatagram }
	perBatch := func(l gates.Live) float64 { return 1 / l.BatchFill }
	gate := func(name, unit string, of func(gates.Live) float64) regress.Gate {
		return regress.Growth(name, unit, max(of(got[0]), of(got[3])), min(of(got[1]), of(got[2])), gates.Tolerance)
	}
	calls = gate("system calls under load", "calls/datagram", perDatagram)
	fill = gate("batches under load", "batches/datagram", perBatch)
	return calls, fill, nil
}
