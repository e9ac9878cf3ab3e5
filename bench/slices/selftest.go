package slices

import (
	"context"
	"errors"
	"fmt"
	"time"

	"supernode/bench/lab"
	"supernode/bench/stat"
)

// Answer is what may be said of an arm whose slow-down is known.
type Answer string

// The answers.
const (
	Slower    Answer = "slower"     // by more than the limit
	NotSlower Answer = "not slower" // a slow-down beyond the limit is ruled out, or there is a speed-up
	Undecided Answer = "undecided"
	// NotCompared is the answer to a Series.Doubt: the job lists the metric as not compared, and decides on the others.
	NotCompared Answer = "not compared"
)

// Judge decides on a series as the job does that is put to the test. again is nil at first; where the answer is open,
// more is measured, and the judge is asked once more with that in again.
type Judge func(first Series, again *Series) Answer

// open says that the job would measure again.
func (a Answer) open() bool { return a == Slower || a == Undecided }

// SelfTest is a test of a comparison and its judge: the same server again and again, made slower by known shares.
type SelfTest struct {
	Server    string    // command; {burn} in it stands for what is wasted for each query, {addr} for the ADDR:PORT
	Null      string    // command of the null responder; "" leaves it out
	Generator string    // path of loadgen
	Slowdowns []float64 // shares of a query's CPU time; 0 is no slow-down, which must raise no alarm
	Reps      int
	Load      Load
	Size      Size // of what a decision rests on, before its confirmation
	Job       Size // what the job would give it, for the page to tell
	Calibrate int  // blocks of the calibration
	Seed      uint64
	Judge     Judge

	Say    func(format string, args ...any) // a line for a person
	Record func(Slice) error                // called for each slice; may be nil
}

// armName is what the subject is called that is slower by a share.
func armName(share float64) string { return fmt.Sprintf("%+.4g %%", 100*share) }

// Run builds a lab, calibrates, makes the repetitions and takes the lab down, however it ends. Beside an error it returns
// what the repetitions say that were whole.
func (t SelfTest) Run(ctx context.Context) (f Findings, err error) {
	if t.Judge == nil || t.Reps < 1 || len(t.Slowdowns) == 0 || t.Size.Rounds < 1 || t.Size.Blocks < 1 {
		return f, errors.New("self-test: it needs a judge, slow-downs, and at least one repetition, round and block")
	}
	l, done, err := build(ctx)
	if err != nil {
		return f, err
	}
	defer func() {
		f.sum(t.Slowdowns)
		err = errors.Join(err, done())
	}()
	t.Say("measuring what a query and the work to waste cost")
	f.Load, f.Size, f.Job, f.Seed, f.Warnings = t.Load, t.Size, t.Job, t.Seed, l.Warnings()
	if f.Calibration, err = Calibrate(ctx, l, t.Server, t.Generator, t.Load, t.Calibrate, t.Seed); err != nil {
		return f, err
	}
	t.Say("%s", f.Calibration)
	for rep := range t.Reps {
		start := time.Now()
		r, err := t.repetition(ctx, l, f.Calibration, rep)
		if err != nil {
			return f, fmt.Errorf("repetition %d: %w", rep+1, err)
		}
		r.Seconds = time.Since(start).Seconds()
		f.Repetitions = append(f.Repetitions, r)
		t.Say("repetition %d of %d, %.0f s: %s", rep+1, t.Reps, r.Seconds, r)
	}
	return f, nil
}

// Fit makes decisions as large as all repetitions in so much time allow, each arm measured a second time, but no larger than
// the job's. What has no time for leastBlocks is ErrTooShort.
func (t *SelfTest) Fit(total time.Duration) (err error) {
	total -= t.calibration().estimate()
	each := max(0, total/time.Duration(max(1, t.Reps)))
	t.Size, err = fit(each, each/2, func(s Size) (time.Duration, error) { return 2 * t.sized(s).estimate(), nil })
	if job := t.Job; job.Rounds*job.Blocks > 0 && t.Size.Rounds*t.Size.Blocks > job.Rounds*job.Blocks {
		t.Size = job
	}
	return err
}

// Estimate is how long all of it takes if each arm is measured a second time.
func (t SelfTest) Estimate() time.Duration {
	return t.calibration().estimate() + 2*time.Duration(t.Reps)*t.sized(t.Size).estimate()
}

// sized is a set of all arms.
func (t SelfTest) sized(size Size) set {
	t.Size = size
	return t.arms(t.Slowdowns, Calibration{TurnNS: 1}, 0, func(Metric) bool { return true })
}

// calibration is a set as large as Calibrate makes.
func (t SelfTest) calibration() set {
	return set{load: t.Load, size: Size{Rounds: 1, Blocks: t.Calibrate}, groups: []group{{measures: both, subjects: make([]Subject, 2)}}}
}

// Repetition is a decision on each arm.
type Repetition struct {
	Seconds   float64    `json:"seconds"`
	Decisions []Decision `json:"decisions"`

	slices []Slice
}

// Decision is what was said of an arm in a metric.
type Decision struct {
	Arm       string        `json:"arm"`
	Metric    string        `json:"metric"`
	Ratio     stat.Estimate `json:"ratio"` // over all that was measured
	First     Answer        `json:"first"`
	Answer    Answer        `json:"answer"` // after the confirmation, where there was one
	Confirmed bool          `json:"measured_again"`
}

// String says the answers of the first metric, which is CPU time.
func (r Repetition) String() (text string) {
	for _, d := range r.Decisions {
		if d.Metric == serverMetrics[0].Name {
			text += fmt.Sprintf("  %s %s (%.3f)", d.Arm, d.Answer, d.Ratio.Median)
		}
	}
	return text
}

// repetition measures all arms side by side, and those once more on which the first answer was open, with new
// processes and other queries.
func (t SelfTest) repetition(ctx context.Context, l *lab.Lab, c Calibration, rep int) (r Repetition, err error) {
	number := 2 * rep
	all := func(Metric) bool { return true }
	first, err := t.arms(t.Slowdowns, c, number, all).run(ctx, l)
	if err != nil {
		return r, err
	}
	r.slices = first
	var doubtful []float64
	open := map[string]bool{} // metrics
	for _, share := range t.Slowdowns {
		settled := true
		for _, s := range ServerSeries(first, armName(share)) {
			if t.Judge(s, nil).open() {
				open[s.Name], settled = true, false
			}
		}
		if !settled {
			doubtful = append(doubtful, share)
		}
	}
	var again []Slice
	if len(doubtful) > 0 {
		if again, err = t.arms(doubtful, c, number+1, func(m Metric) bool { return open[m.Name] }).run(ctx, l); err != nil {
			return r, err
		}
		r.slices = append(r.slices, again...)
	}
	for _, share := range t.Slowdowns {
		r.Decisions = append(r.Decisions, t.decide(first, again, armName(share))...)
	}
	return r, nil
}

// arms lays out a set: the same server, not slowed down as base and control, slowed down as the arms.
func (t SelfTest) arms(slowdowns []float64, c Calibration, number int, wanted func(Metric) bool) set {
	subjects := []Subject{
		{Name: Base, Server: Burning(t.Server, 0), Generator: t.Generator},
		{Name: Control, Server: Burning(t.Server, 0), Generator: t.Generator},
	}
	for _, share := range slowdowns {
		subjects = append(subjects, Subject{Name: armName(share), Server: Burning(t.Server, c.Turns(share)), Generator: t.Generator})
	}
	if t.Null != "" {
		subjects = append(subjects, Subject{Name: Null, Server: t.Null, Generator: t.Generator, Every: nullEvery})
	}
	return set{
		number: number, groups: []group{{subjects: subjects, measures: measuresOf(serverMetrics, wanted)}}, load: t.Load, size: t.Size,
		seed: t.Seed + uint64(number)<<20, record: t.Record,
	}
}

// decide answers for one arm in each metric. A metric that is settled at first is not measured again, even where the arm is
// for another metric's sake.
func (t SelfTest) decide(first, again []Slice, arm string) (list []Decision) {
	more := ServerSeries(again, arm)
	for i, s := range ServerSeries(first, arm) {
		d := Decision{Arm: arm, Metric: s.Name, First: t.Judge(s, nil)}
		d.Answer = d.First
		all := s.Pairs
		if d.First.open() && len(more[i].Pairs) > 0 {
			d.Answer, d.Confirmed = t.Judge(s, &more[i]), true
			all = append(all[:len(all):len(all)], more[i].Pairs...)
		}
		d.Ratio = stat.DefaultRules().Bootstrap().Ratio(all)
		list = append(list, d)
	}
	return list
}
