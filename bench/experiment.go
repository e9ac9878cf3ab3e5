package main

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"supernode/bench/lab"
	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/report"
	"supernode/bench/trial"
	"supernode/internal/pin"
)

// experiment is one run of "bench conntrack".
type experiment struct {
	plan      plan.Plan
	dir       string      // of the records
	setup     trial.Setup // of the rig, but for what is known only when there is a lab
	port      uint16      // on which the server answers
	supernode string      // path of the program, if that is the server
	loadgen   string      // path of the program
	rateGiven bool        // by the user: no pilot chooses it
	progress  *progress
}

// conduct builds the lab, makes the trials and leaves their records in the run's directory. However it ends, the lab is
// taken down.
func (r *experiment) conduct(ctx context.Context) (err error) {
	defer r.progress.clear()
	r.progress.say("%s in %s, about %s; the machine should have nothing else to do",
		count(len(r.plan.Slots), "trial"), count(r.plan.Blocks, "block"), r.plan.Estimate().Round(time.Second))
	r.progress.say("building the lab")
	l, err := buildLab(ctx, lab.Default())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	r.progress.warn(notes(l))

	r.progress.say("starting the server")
	setup := r.setup
	setup.Addr, setup.Flows = netip.AddrPortFrom(l.ServerEndpoint().Addr(), r.port), plan.Many.Flows()
	rig, err := trial.Assemble(ctx, l, setup)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rig.Close()) }()

	if err := r.prepare(ctx, l, rig); err != nil {
		return err
	}
	w, err := record.Create(r.dir, r.header(ctx, l))
	if err != nil {
		return err
	}
	recorded, err := r.trials(ctx, rig, w)
	return errors.Join(err, w.Close(), r.keep(recorded))
}

// prepare fills the server's tables, and chooses the rate of the fixed measure if the user did not: a part of what this
// server answers on this machine with the baseline's rules.
func (r *experiment) prepare(ctx context.Context, l *lab.Lab, rig *trial.Rig) error {
	what := "fill the server's tables"
	if r.setup.Payload == "" {
		r.progress.say("filling the server's tables")
	} else {
		what = "warm the server up"
		r.progress.say("warming the server up")
	}
	if err := fill(ctx, rig, r.plan.Spec, r.setup.Payload); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	if r.rateGiven {
		return nil
	}
	if err := l.SetRules(lab.RulesPlain, rig.Port()); err != nil {
		return err
	}
	var pilot record.Trial
	if err := rig.Measure(ctx, &pilot, trial.Load{
		Window: r.plan.Window, WarmupS: 0.2, DurationS: 1, Flows: plan.Many.Flows(), Seed: r.plan.Seed,
	}); err != nil {
		return fmt.Errorf("pilot: %w", err)
	}
	answersPerS := float64(pilot.Answered) / (float64(pilot.Duration) / 1e9)
	r.plan.Rate = plan.Rate(answersPerS)
	r.progress.say("the server answers about %.0f queries/s; CPU time is measured at %d/s", answersPerS, r.plan.Rate)
	return nil
}

// trials makes the trials. One that cannot count by the report's rules, which know nothing of its figures, is made again
// at once, as long as the run's time allows; the records keep both.
func (r *experiment) trials(ctx context.Context, rig *trial.Rig, w *record.Writer) (recorded int, err error) {
	repeats := r.plan.Repeats()
	for _, slot := range r.plan.Slots {
		r.progress.step(slot.Block, slot.Position == 0, slot.Cell.String())
		for attempt := 0; ; attempt++ {
			t, err := rig.Run(ctx, slot, load(r.plan.Spec, slot))
			if err != nil {
				return recorded, fmt.Errorf("trial %s in block %d: %w", slot.Cell, slot.Block+1, err)
			}
			if err := w.Append(t); err != nil {
				return recorded, err
			}
			if attempt == 0 {
				recorded++
			}
			if repeats == 0 || report.Excluded(t) == "" {
				break
			}
			repeats--
		}
	}
	return recorded, nil
}

// keep says what there is of a run that did not come to its end. Records without a trial are good for nothing, and
// would be in the way of the next attempt.
func (r *experiment) keep(recorded int) error {
	switch recorded {
	case len(r.plan.Slots):
		return nil
	case 0:
		return os.Remove(filepath.Join(r.dir, record.FileName))
	}
	r.progress.say("%d of %s are recorded; for what they say: bench report %s", recorded, count(len(r.plan.Slots), "trial"), r.dir)
	return nil
}

// buildLab makes a lab and moves this process to the client's core, so that the server's is left alone.
func buildLab(ctx context.Context, spec lab.Spec) (*lab.Lab, error) {
	l, err := lab.Up(ctx, spec)
	if err != nil {
		if setting := lab.Forbidden(); setting != "" && lab.InUserNamespace() {
			return nil, fmt.Errorf("build lab without root: %w (%s)", err, setting)
		}
		return nil, fmt.Errorf("build lab: %w", err)
	}
	if err := pin.Process(pin.List{spec.ClientCPU}); err != nil {
		return nil, errors.Join(fmt.Errorf("pin the harness: %w", err), l.Close())
	}
	return l, nil
}

// fillTime is how long a server is queried before the first trial, so that its routing table and stores are not
// empty: the generator answers its pings. Other servers than the DHT's are not told anything that they could keep: these
// are only warmed up, as fast as they answer, since nothing is known of the rate that they can take.
const (
	fillTime = 10 * time.Second
	warmTime = 2 * time.Second
)

func fill(ctx context.Context, rig *trial.Rig, spec plan.Spec, payload string) error {
	seconds, warming := fillTime.Seconds(), warmTime.Seconds()
	if spec.Max == (plan.Timing{}) {
		seconds, warming = seconds/4, warming/4 // a quick run
	}
	if payload != "" {
		return rig.Fill(ctx, trial.Load{Window: spec.Window, DurationS: warming, Flows: plan.Many.Flows(), Seed: spec.Seed})
	}
	return rig.Fill(ctx, trial.Load{Rate: float64(spec.Rate) / 2, DurationS: seconds, Flows: plan.Many.Flows(), Seed: spec.Seed})
}

// load is what the generator is asked to do in a slot. The seed differs from block to block and is the same for all
// arms of a block, so that they answer the same queries.
func load(spec plan.Spec, slot plan.Slot) trial.Load {
	t := spec.Timing(slot.Measure)
	l := trial.Load{
		DurationS: t.Measure.Seconds(), WarmupS: t.Warmup.Seconds(),
		Flows: slot.Flows.Flows(), Seed: spec.Seed + uint64(slot.Block),
	}
	if slot.Measure == plan.Max {
		l.Window = spec.Window
	} else {
		l.Rate = float64(spec.Rate)
	}
	return l
}
