package report

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/stat"
)

// world is how an imagined machine behaves; the zero value of a field is the ordinary case.
type world struct {
	cost   map[plan.Arm]float64 // CPU time and latency of an arm as a multiple of the baseline's
	bias   float64              // added to the control's multiple, which ought to be 1
	noise  float64              // of one trial, as a share; 0 means 1 %
	blocks int                  // 0 means as many as a full run
	edit   func(*record.Trial)  // last word on every trial
	header func(*record.Header)
}

var ordinary = map[plan.Arm]float64{plan.Off: 1, plan.Control: 1, plan.On: 1.27, plan.Notrack: 1.15}

// imagine makes the records of a full run in such a world.
func imagine(w world) record.Run {
	spec := plan.Full()
	spec.Seed, spec.Blocks, spec.Rare = 11, 36, 0
	spec.Arms, spec.Patterns = []plan.Arm{plan.Off, plan.Control, plan.On, plan.Notrack}, []plan.Pattern{plan.Few, plan.Many}
	if w.blocks > 0 {
		spec.Blocks = w.blocks
	}
	p, err := plan.New(spec)
	if err != nil {
		panic(err)
	}
	run := record.Run{Header: record.Header{
		Plan: spec, Command: []string{"bench", "conntrack"},
		Machine: record.Machine{Arch: "amd64", CPUs: 2, ClientCPU: 1, NAPIPinned: true},
	}}
	if w.header != nil {
		w.header(&run.Header)
	}
	if w.cost == nil {
		w.cost = ordinary
	}
	if w.noise == 0 {
		w.noise = 0.01
	}
	rng := rand.New(rand.NewPCG(1, 2))
	drift := 1.0
	for _, slot := range append(p.Slots, plan.SearchSlots(spec)...) {
		if slot.Position == 0 {
			drift = math.Exp(0.05 * rng.NormFloat64())
		}
		factor := drift * w.cost[slot.Arm] * math.Exp(w.noise*rng.NormFloat64())
		if slot.Arm == plan.Control {
			factor += w.bias
		}
		run.Trials = append(run.Trials, trial(slot, factor, spec))
		if w.edit != nil {
			w.edit(&run.Trials[len(run.Trials)-1])
		}
	}
	return run
}

// trial is one whose queries take factor times 4 µs of the server's core, in intervals of one second.
func trial(slot plan.Slot, factor float64, spec plan.Spec) record.Trial {
	const most = 1e9 / 4000 // what the baseline could answer
	answered, busy := float64(spec.Rate), 0.98
	switch {
	case slot.Measure == plan.Max || slot.Measure == plan.Search:
		answered = 0.98 * most / factor
	case slot.Measure != plan.Fixed:
		answered, busy = slot.Measure.Share()*0.95*most, 0.5
	default:
		busy = answered * 4000 * factor / 1e9
	}
	t := record.Trial{
		Slot: slot, Duration: 1e9, Answered: uint64(answered),
		Server: int64(0.6 * busy * 1e9), ServerNAPI: int64(0.4 * busy * 1e9),
		Load: record.Load{
			SendQPS: answered, OfferedQPS: answered, Sent: uint64(answered),
			Latency: record.Latency{P50: 40 * factor, P90: 60 * factor, P99: 90 * factor, P999: 150 * factor},
		},
		Tracking: slot.Arm.Tracks(),
		CPU:      []record.CPU{{ID: 0, System: int64(busy * 1e9), Idle: int64((1 - busy) * 1e9)}, {ID: 1, System: 5e8, Idle: 5e8}},
	}
	if slot.Measure == plan.Search {
		strict, loose := 0.95*most/factor, 0.97*most/factor
		t.Search = &record.Search{Found: []record.Found{
			{LossRatio: strictLoss, QPS: strict, AtMost: 1.02 * strict}, {LossRatio: looseLoss, QPS: loose, AtMost: 1.02 * loose},
		}}
	}
	if slot.Arm == plan.On {
		t.Conntrack.Entries = uint64(slot.Flows.Flows())
	}
	return t
}

func on(slot plan.Slot, m plan.Measure) bool { return slot.Measure == m }

// Each of these is a run that calls for other words. Their golden file is to be read: it is the place
// to see whether the report could mislead.
var scenarios = []struct {
	name string
	world
}{
	{"ordinary", world{}},
	{"tracking costs nothing", world{cost: map[plan.Arm]float64{plan.Off: 1, plan.Control: 1, plan.On: 1.001, plan.Notrack: 0.999}}},
	{"the cure works", world{cost: map[plan.Arm]float64{plan.Off: 1, plan.Control: 1, plan.On: 1.27, plan.Notrack: 1}}},
	{"the cure does not help", world{cost: map[plan.Arm]float64{plan.Off: 1, plan.Control: 1, plan.On: 1.27, plan.Notrack: 1.27}}},
	{"tracking makes it faster, they say", world{cost: map[plan.Arm]float64{plan.Off: 1, plan.Control: 1, plan.On: 0.9, plan.Notrack: 0.9}}},
	{"a noisy machine", world{noise: 0.2}},
	{"a biased harness", world{bias: 0.02}},
	{"stolen from", world{edit: func(t *record.Trial) {
		if t.Block%4 == 0 {
			t.CPU[0].Steal, t.CPU[0].Idle = 5e8, 0
		}
	}}},
	{"a little stolen from", world{edit: func(t *record.Trial) {
		if t.Block == 4 {
			t.CPU[0].Steal, t.CPU[0].Idle = 5e8, 0
		}
	}}},
	{"held back by a quota, by heat and by its clock", world{edit: func(t *record.Trial) {
		switch t.Block {
		case 1:
			t.Throttle.Periods = 3
		case 2:
			t.Throttle.Thermal = 1
		case 3:
			t.Throttle.KHzBefore, t.Throttle.KHzAfter = 3_000_000, 2_400_000
		case 4:
			t.Throttle.KHzBefore, t.Throttle.KHzAfter = 3_000_000, 2_900_000
		}
	}}},
	{"searches that come to no end", world{edit: func(t *record.Trial) {
		if t.Search == nil {
			return
		}
		f := &t.Search.Found[0]
		f.Unfinished, f.AtMost = true, 1.08*f.QPS
		if t.Block == 0 && t.Arm == plan.On {
			f.AtMost = 1.2 * f.QPS
		}
	}}},
	{"the generator sets the pace flat out", world{edit: func(t *record.Trial) {
		if on(t.Slot, plan.Max) {
			t.Load.GeneratorLimited = true
		}
		if t.Search != nil {
			t.Search.Found[0].Limited = true
		}
	}}},
	{"the generator sets the pace only without tracking", world{edit: func(t *record.Trial) {
		if on(t.Slot, plan.Max) && !t.Tracking {
			t.Server, t.ServerNAPI = t.Server*8/10, t.ServerNAPI*8/10
		}
	}}},
	{"the generator cannot hold the rate", world{edit: func(t *record.Trial) {
		if on(t.Slot, plan.Fixed) {
			t.Load.GeneratorLimited, t.Load.SendQPS = true, 71_000
		}
	}}},
	{"receive work charged elsewhere", world{edit: func(t *record.Trial) { t.ServerNAPI = 0 }, header: func(h *record.Header) { h.Machine.NAPIPinned = false }}},
	{"the baseline tracks", world{edit: func(t *record.Trial) { t.Tracking = true }}},
	{"nothing is tracked", world{edit: func(t *record.Trial) { t.Tracking = false }}},
	{"the exemption does not exempt", world{edit: func(t *record.Trial) {
		if t.Arm == plan.Notrack {
			t.Conntrack.Entries = 900
		}
	}}},
	{"overloaded", world{edit: func(t *record.Trial) {
		if t.Arm == plan.On && t.Flows == plan.Many {
			t.Load.Lost, t.ReceiveErrors, t.Conntrack.Drop = 1600, 1600, 7
		}
		t.CPU[0].System += 2e8
	}}},
}

func TestScenarios(t *testing.T) {
	var b bytes.Buffer
	for _, c := range scenarios {
		s, err := Summarize(imagine(c.world))
		require.NoError(t, err, c.name)
		fmt.Fprintf(&b, "== %s ==\nverdict: %s\n", c.name, s.Verdict)
		for _, list := range []struct {
			what  string
			lines []string
		}{{"reason", s.Reasons}, {"answer", s.Answers}, {"note", s.Notes}} {
			for _, line := range list.lines {
				fmt.Fprintf(&b, "%s: %s\n", list.what, line)
			}
		}
		b.WriteByte('\n')
	}
	golden(t, "scenarios.txt", b.Bytes())
}

func TestStoppedEarly(t *testing.T) {
	run := imagine(world{})
	run.Trials = run.Trials[:40] // two and a half blocks
	run.Warnings = []string{"line 42 is cut short"}
	s, err := Summarize(run)
	require.NoError(t, err)
	require.Equal(t, Inconclusive, s.Verdict)
	require.Contains(t, s.Reasons[0], "pairs")
	require.Contains(t, s.Answers[0], "cannot say")
	require.Contains(t, s.Notes, fmt.Sprintf("the run was stopped after 40 of %d trials", run.Header.Plan.Trials()+run.Header.Plan.SearchTrials()))
	require.Contains(t, s.Notes, "line 42 is cut short")
	report := string(rendered(t, s.Markdown))
	require.Contains(t, report, "do not quote them")

	run = imagine(world{})
	run.Trials = run.Trials[:16*12]
	s, err = Summarize(run)
	require.NoError(t, err)
	require.Equal(t, Conclusive, s.Verdict, "what was measured counts, if it is enough")
}

func TestOnlyTheControl(t *testing.T) {
	run := imagine(world{header: func(h *record.Header) { h.Plan.Arms = []plan.Arm{plan.Off, plan.Control} }})
	run.Trials = slices.DeleteFunc(run.Trials, func(t record.Trial) bool { return t.Arm.Tracks() })
	s, err := Summarize(run)
	require.NoError(t, err)
	require.Equal(t, Conclusive, s.Verdict)
	require.Len(t, s.Answers, 1)
	require.Contains(t, s.Answers[0], "The baseline against itself")
}

func TestOnlyFlatOut(t *testing.T) {
	run := imagine(world{header: func(h *record.Header) { h.Plan.Fixed = plan.Timing{} }})
	run.Trials = slices.DeleteFunc(run.Trials, func(t record.Trial) bool { return on(t.Slot, plan.Fixed) })
	s, err := Summarize(run)
	require.NoError(t, err)
	require.Equal(t, answersMetric, s.Control.Metric)
	require.Equal(t, Conclusive, s.Verdict)
	require.Nil(t, s.arm(plan.On, plan.Many).CPU)
	require.Contains(t, s.Answers[0], "Flat out")
	require.NotContains(t, string(rendered(t, s.Markdown)), "ns/query |")
}

func TestForeignTrials(t *testing.T) {
	run := imagine(world{header: func(h *record.Header) { h.Plan.Patterns = []plan.Pattern{plan.Many} }})
	_, err := Summarize(run)
	require.ErrorContains(t, err, "which its plan does not")
	run = imagine(world{header: func(h *record.Header) { h.Plan.Blocks = 0 }})
	_, err = Summarize(run)
	require.ErrorContains(t, err, "its header: check plan")
}

// A trial that the host stole from costs the run nothing when it was made again, and a slot when it was not.
func TestTrialsMadeAgain(t *testing.T) {
	steal := func(t *record.Trial) { t.CPU[0].Steal = t.CPU[0].Total() / 2 }
	run := imagine(world{header: func(h *record.Header) { h.Plan.Searches = 0 }})
	run.Trials = run.Trials[:run.Header.Plan.Trials()]
	planned := len(run.Trials)
	var records []record.Trial
	for i, trial := range run.Trials {
		if i%4 == 0 {
			stolen := trial
			stolen.CPU = slices.Clone(trial.CPU)
			steal(&stolen)
			require.NotEmpty(t, Excluded(stolen))
			require.Empty(t, Excluded(trial))
			records = append(records, stolen)
		}
		records = append(records, trial)
	}
	run.Trials = records
	s, err := Summarize(run)
	require.NoError(t, err)
	require.Equal(t, Conclusive, s.Verdict)
	require.Equal(t, Trials{Planned: planned, Made: planned, Recorded: len(records), Excluded: planned / 4, Why: s.Trials.Why}, s.Trials)

	// Stopped early, repeats or not: what counts is how far it came.
	run.Trials = records[:planned]
	s, err = Summarize(run)
	require.NoError(t, err)
	require.Equal(t, (planned*4+4)/5, s.Trials.Made)
	require.Contains(t, s.Notes, fmt.Sprintf("the run was stopped after %d of %d trials", (planned*4+4)/5, planned))

	run.Trials = slices.DeleteFunc(records, func(r record.Trial) bool { return Excluded(r) == "" && r.Block%4 == 0 && r.Arm == plan.On })
	s, err = Summarize(run)
	require.NoError(t, err)
	require.Positive(t, s.Trials.Lost)
}

// Whatever the machine does: the same records give the same report in whatever order they stand, every
// rendering succeeds, and no word claims what the verdict does not allow.
func TestReportProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		run := imagine(world{
			cost: map[plan.Arm]float64{
				plan.Off: 1, plan.Control: 1,
				plan.On:      rapid.Float64Range(0.8, 2).Draw(t, "on"),
				plan.Notrack: rapid.Float64Range(0.8, 2).Draw(t, "notrack"),
			},
			bias:   rapid.SampledFrom([]float64{0, 0, 0.02}).Draw(t, "bias"),
			noise:  rapid.Float64Range(0.001, 0.1).Draw(t, "noise"),
			blocks: 8,
		})
		run.Trials = run.Trials[:rapid.IntRange(1, len(run.Trials)).Draw(t, "recorded")]
		for range rapid.IntRange(0, 5).Draw(t, "spoilt") {
			spoil(t, &run.Trials[rapid.IntRange(0, len(run.Trials)-1).Draw(t, "which")])
		}
		s, err := Summarize(run)
		require.NoError(t, err)

		mixed := run
		mixed.Trials = slices.Clone(run.Trials)
		rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "order"), 0)).Shuffle(len(mixed.Trials), func(i, j int) {
			mixed.Trials[i], mixed.Trials[j] = mixed.Trials[j], mixed.Trials[i]
		})
		again, err := Summarize(mixed)
		require.NoError(t, err)
		require.Equal(t, s, again)

		var doc bytes.Buffer
		require.NoError(t, s.WriteJSON(&doc))
		require.True(t, json.Valid(doc.Bytes()))
		require.NoError(t, s.Markdown(&doc))
		require.NoError(t, s.Table(&doc, true))
		require.NoError(t, Bench(&doc, run))
		require.NotContains(t, doc.String(), "NaN")
		require.NotContains(t, doc.String(), "%!")
		requireHonest(t, s)
	})
}

func spoil(t *rapid.T, trial *record.Trial) {
	switch rapid.IntRange(0, 5).Draw(t, "how") {
	case 0:
		trial.Answered = 0
	case 1:
		trial.CPU = []record.CPU{{ID: 0, System: 1e9}, {ID: 1, Steal: 1e9}}
	case 2:
		trial.ServerNAPI = 0
	case 3:
		trial.Tracking = !trial.Tracking
	case 4:
		trial.Load = record.Load{}
	case 5:
		trial.CPU = nil
	}
}

func requireHonest(t require.TestingT, s Summary) {
	claims := func(text string) bool {
		return strings.Contains(text, "more CPU time") || strings.Contains(text, "less CPU time") ||
			strings.Contains(text, "ruled out") || strings.Contains(text, "off the CPU time")
	}
	for _, c := range s.Comparisons {
		if c.Verdict == stat.Slower || c.Verdict == stat.Faster {
			require.False(t, c.Lo <= 1 && 1 <= c.Hi, "%+v", c)
		}
		if c.Verdict == stat.Inconclusive {
			require.NotEmpty(t, c.Reason, "%+v", c)
		}
	}
	if s.Control.Problem != "" {
		require.Equal(t, Inconclusive, s.Verdict)
		for _, c := range s.Comparisons {
			require.Equal(t, stat.Inconclusive, c.Verdict, "%+v", c)
		}
		require.Len(t, s.Answers, 1)
		require.False(t, claims(s.Answers[0]), s.Answers[0])
	}
	require.Equal(t, s.Verdict == Inconclusive, len(s.Reasons) > 0)
	for _, a := range s.Answers {
		require.True(t, strings.HasSuffix(a, "."), a)
		require.False(t, strings.Contains(a, ": ."), "a reason is missing: %s", a)
	}
}

// A report must not take longer than a person will wait.
func BenchmarkSummarize(b *testing.B) {
	run := imagine(world{})
	for b.Loop() {
		s, err := Summarize(run)
		if err != nil {
			b.Fatal(err)
		}
		if err := s.Markdown(io.Discard); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(time.Second)/float64(b.N), "s/report")
}
