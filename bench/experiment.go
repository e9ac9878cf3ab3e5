package main

import (
	"cmp"
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
	answers   float64     // a second, that the server gives at most, about
	curves    int
	fullLimit uint64   // the largest table that may be filled, in entries
	notes     []string // for the header
	progress  *progress
}

// rig is a server and the generator aimed at it: trial.Rig, or trial.Remote over two hosts.
type rig interface {
	Fill(ctx context.Context, load trial.Load) error
	Measure(ctx context.Context, t *record.Trial, load trial.Load) error
	Run(ctx context.Context, slot plan.Slot, load trial.Load) (record.Trial, error)
}

// conduct builds the lab, makes the trials and leaves their records in the run's directory. However it ends, the lab is
// taken down.
func (r *experiment) conduct(ctx context.Context) (err error) {
	defer r.progress.clear()
	r.progress.say("%s, about %s; the machine should have nothing else to do", r.extent(), r.plan.Estimate().Round(time.Second))
	r.progress.say("building the lab")
	l, err := buildLab(ctx, lab.Default())
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	r.progress.warn(notes(l))

	r.progress.say("starting the server")
	setup := r.setup
	setup.Addr, setup.Flows = netip.AddrPortFrom(l.ServerEndpoint().Addr(), r.port), openedFlows(r.plan.Spec)
	rig, err := trial.Assemble(ctx, l, setup)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, rig.Close()) }()

	baseline := func() error { return l.SetRules(lab.RulesPlain, r.port) }
	if err := r.fillAndPilot(ctx, rig, baseline); err != nil {
		return err
	}
	if err := r.fitTable(l); err != nil {
		return err
	}
	if err := r.size(ctx, rig); err != nil {
		return err
	}
	header := r.header(ctx, l)
	header.Notes = append(header.Notes, rig.Notes()...)
	w, err := record.Create(r.dir, header)
	if err != nil {
		return err
	}
	recorded, err := r.trials(ctx, rig, w)
	if err == nil {
		var more int
		more, err = r.searches(ctx, rig, w)
		recorded += more
	}
	if err == nil {
		err = r.fillCurves(ctx, rig)
	}
	return errors.Join(err, w.Close(), r.keep(recorded))
}

// extent says how much there is to do.
func (r *experiment) extent() string {
	text := fmt.Sprintf("%s in %s", count(len(r.plan.Slots), "trial"), count(r.plan.Blocks, "block"))
	if r.plan.Sized() {
		text += " or as many as a pilot finds are needed"
	}
	if n := r.plan.SearchTrials(); n > 0 {
		text += fmt.Sprintf(", then %s in %s of searches", count(n, "trial"), count(r.plan.Searches, "block"))
	}
	return text
}

// fillAndPilot fills the server's tables, and chooses the rate of the fixed measure if the user did not: a part of what this
// server answers on this machine with the baseline's rules.
func (r *experiment) fillAndPilot(ctx context.Context, rig rig, baseline func() error) error {
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
		r.answers = plan.Answers(r.plan.Rate)
		return nil
	}
	if err := baseline(); err != nil {
		return err
	}
	var pilot record.Trial
	if err := rig.Measure(ctx, &pilot, trial.Load{
		Window: r.plan.Window, WarmupS: 0.2, DurationS: 1, Flows: mostFlows(r.plan.Spec), Seed: r.plan.Seed,
	}); err != nil {
		return fmt.Errorf("pilot: %w", err)
	}
	r.answers = max(1, float64(pilot.Answered)/(float64(pilot.Duration)/1e9))
	r.plan.Rate = plan.Rate(r.answers)
	r.progress.say("the server answers about %.0f queries/s; CPU time is measured at %d/s", r.answers, r.plan.Rate)
	return nil
}

// trials makes the trials of the first phase.
func (r *experiment) trials(ctx context.Context, rig rig, w *record.Writer) (recorded int, err error) {
	repeats := r.plan.Repeats()
	for _, slot := range r.plan.Slots {
		r.progress.step(slot.Block, slot.Position == 0, slot.Cell.String())
		if _, err := attempt(ctx, rig, slot, r.load(slot), &repeats, w.Append); err != nil {
			return recorded, err
		}
		recorded++
	}
	return recorded, nil
}

// attempt makes a trial. One that cannot count by the report's rules, which know nothing of its figures, is made again at
// once, as long as the run's time allows; keep gets both.
func attempt(ctx context.Context, rig rig, slot plan.Slot, load trial.Load, repeats *int,
	keep func(record.Trial) error) (t record.Trial, err error) {
	for {
		t, err = rig.Run(ctx, slot, load)
		if errors.Is(err, trial.ErrUncharged) && *repeats > 0 { // the harness came too late to its clocks
			*repeats--
			continue
		}
		if err != nil {
			return t, fmt.Errorf("trial %s in block %d: %w", slot.Cell, slot.Block+1, err)
		}
		if err := keep(t); err != nil {
			return t, err
		}
		if *repeats == 0 || report.Excluded(t) == "" {
			return t, nil
		}
		*repeats--
	}
}

// keep says what there is of a run that did not come to its end. Records without a trial are good for nothing, and
// would be in the way of the next attempt.
func (r *experiment) keep(recorded int) error {
	planned := r.plan.Trials() + r.plan.SearchTrials()
	switch recorded {
	case planned:
		return nil
	case 0:
		return os.Remove(filepath.Join(r.dir, record.FileName))
	}
	r.progress.say("%d of %s are recorded; for what they say: bench report %s", recorded, count(planned, "trial"), r.dir)
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

func fill(ctx context.Context, rig rig, spec plan.Spec, payload string) error {
	seconds, warming := fillTime.Seconds(), warmTime.Seconds()
	if spec.Max == (plan.Timing{}) {
		seconds, warming = seconds/4, warming/4 // a quick run
	}
	if payload != "" {
		return rig.Fill(ctx, trial.Load{Window: spec.Window, DurationS: warming, Flows: mostFlows(spec), Seed: spec.Seed})
	}
	return rig.Fill(ctx, trial.Load{Rate: float64(spec.Rate) / 2, DurationS: seconds, Flows: mostFlows(spec), Seed: spec.Seed})
}

// mostFlows is how many flows the plan's patterns have at most. A run of new flows alone has no number yet, and fills with those
// of Many.
func mostFlows(spec plan.Spec) (most int) {
	for _, p := range spec.Patterns {
		if p != plan.Fresh {
			most = max(most, p.Flows())
		}
	}
	return cmp.Or(most, plan.Many.Flows())
}

// load is what the generator is asked to do in a slot, of this server.
func (r *experiment) load(slot plan.Slot) trial.Load {
	l := load(r.plan.Spec, slot)
	if r.setup.Payload != "" {
		l.Mix = "" // of the DHT's queries
	}
	if slot.Flows != plan.Fresh && slot.Arm.Answers() {
		l.Prime = r.prime(l.Flows, l.Seed)
	}
	return l
}

// primeTime is how long it may take at most until every flow has asked once.
const primeTime = 2 * time.Second

// prime has every flow ask once, so that an arm that tracks has its entries before anything is measured: of flows that
// last, a query costs a look into the table, and of new ones an entry.
func (r *experiment) prime(flows int, seed uint64) *trial.Load {
	gentle := max(1, 0.75*r.answers)
	return &trial.Load{Rate: gentle, DurationS: min(float64(flows)/gentle, primeTime.Seconds()), Flows: flows, Seed: seed}
}

// load is what the generator is asked to do in a slot. The seed differs from block to block and is the same for all
// arms of a block, so that they answer the same queries.
func load(spec plan.Spec, slot plan.Slot) trial.Load {
	t := spec.Timing(slot.Measure)
	l := trial.Load{
		DurationS: t.Measure.Seconds(), WarmupS: t.Warmup.Seconds(),
		Flows: spec.FlowsOf(slot.Flows), Seed: spec.Seed + uint64(slot.Block),
	}
	if slot.Flows == plan.Fresh {
		l.Mix = freshMix
	}
	if slot.Measure == plan.Max {
		l.Window = spec.Window
	} else {
		l.Rate = float64(spec.RateOf(slot.Flows))
	}
	return l
}
