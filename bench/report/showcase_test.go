package report

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/stat"
)

// showcase is the summary of a run that measured everything there is: what the plan of today does not make is put in
// where a run's records would have put it.
func showcase(t testing.TB) Summary {
	t.Helper()
	run := imagine(world{header: func(h *record.Header) {
		h.Started = testTime
		h.Machine = record.Machine{OS: "Debian GNU/Linux 13 (trixie)", Kernel: "6.18.0", Arch: "amd64", CPU: "Example 9000 @ 2.40GHz", CPUs: 2, ClientCPU: 1,
			Hypervisor: "KVM", Memory: 4 << 30, ConntrackLimit: 262144, ConntrackBuckets: 65536, ConntrackEntry: 256, NAPIPinned: true}
		h.Versions = map[string]string{"bench": "v1", "loadgen": "v1", "supernode": "v1"}
		h.Command = []string{"bench", "conntrack", "--out", "a/rather/long/path/that/does/not/fit/the/width/of/a/telephone/at/all", "--seed", "11"}
		h.Notes = []string{"no hardware counters: a machine without a name like `nf_conntrack_hash_check_insert_without_a_break_anywhere_in_this_word`"}
	}})
	run.Curves = []record.Curve{fillCurve(0), fillCurve(1)}
	s, err := Summarize(run)
	require.NoError(t, err)
	s.Plan.Arms = append(slices.Clone(s.Plan.Arms), plan.Raised, plan.Filled)
	s.Plan.Patterns = append(slices.Clone(s.Plan.Patterns), plan.Fresh)
	for _, arm := range []plan.Arm{plan.Off, plan.Control, plan.On, plan.Notrack} {
		s.addArm(arm, plan.Fresh, arm, plan.Many, map[bool]float64{true: 1.3, false: 1.05}[arm == plan.On])
	}
	for _, flows := range []plan.Pattern{plan.Few, plan.Many} {
		s.addArm(plan.Raised, flows, plan.On, flows, 1.08)
		s.addArm(plan.Filled, flows, plan.On, flows, 0.5)
		full := &s.Arms[len(s.Arms)-1]
		lost, explained := 0.994, 1.002
		full.LossRatio, full.LossExplained, full.Conntrack.Drop = &lost, &explained, 1_234_567
		c, ok := s.compare(plan.On, plan.Off, flows, cpuMetric)
		require.True(t, ok)
		c.Arm, c.Base, c.Ratio, c.Lo, c.Hi, c.Delta = plan.Raised, plan.On, 1.08, 1.07, 1.09, 410
		s.Comparisons = append(s.Comparisons, c)
	}
	for i := range s.Arms {
		s.Arms[i].searched()
	}
	s.Answers = s.answers()
	return s
}

// addArm makes an arm of another one, everything times factor.
func (s *Summary) addArm(arm plan.Arm, flows plan.Pattern, like plan.Arm, likeFlows plan.Pattern, factor float64) {
	a := s.arm(like, likeFlows)
	a.Arm, a.Flows, a.FlowCount = arm, flows, flows.Flows()
	a.CPU, a.Server, a.NAPI = times(a.CPU, factor), times(a.Server, factor), times(a.NAPI, factor)
	a.AnswersPerS, a.OfferedCPU = times(a.AnswersPerS, 1/factor), times(a.CPU, factor)
	l := &a.Latency
	l.P50, l.P90, l.P99, l.P999 = times(l.P50, factor), times(l.P90, factor), times(l.P99, factor), times(l.P999, factor)
	s.Arms = append(s.Arms, a)
	for _, c := range s.Comparisons {
		if c.Arm == like && c.Flows == likeFlows && c.Base == plan.Off {
			c.Arm, c.Flows = arm, flows
			c.Ratio, c.Lo, c.Hi = c.Ratio*factor, c.Lo*factor, c.Hi*factor
			c.Delta, c.DeltaLo, c.DeltaHi = c.Delta*factor, c.DeltaLo*factor, c.DeltaHi*factor
			s.Comparisons = append(s.Comparisons, c)
		}
	}
}

func times(e *stat.Estimate, factor float64) *stat.Estimate {
	if e == nil {
		return nil
	}
	return &stat.Estimate{Median: e.Median * factor, Lo: e.Lo * factor, Hi: e.Hi * factor, N: e.N}
}

// searched puts in what a search for the highest rate would have found.
func (a *Arm) searched() {
	a.MaxQPS, a.MaxQPS05, a.MaxLimited = times(a.AnswersPerS, 0.9), times(a.AnswersPerS, 0.95), a.Arm == plan.Off
	for _, share := range []float64{0.25, 0.5, 0.75} {
		l := a.Latency
		l.P50, l.P99 = times(l.P50, 0.6+share), times(l.P99, 0.6+share*2)
		a.Loads = append(a.Loads, LoadLatency{Share: share, OfferedQPS: times(a.MaxQPS, share), Latency: l})
	}
	a.Counters = &Counters{Cycles: times(a.CPU, 2.4), Instructions: times(a.CPU, 3), CacheMisses: times(a.CPU, 0.001)}
}

// fillCurve fills a table of 262,144 entries by as many flows that ask twice, at 50,000 a second, and then by flows that ask
// once; the flood ends after 15 s, the entries time out 12 s after their last packet.
func fillCurve(run int) record.Curve {
	const limit, rate, filled, stop, timeout, step = 262144, 50_000.0, 11.0, 15.0, 12.0, 0.25
	c := record.Curve{Run: run, Limit: limit, Buckets: 65536, UnrepliedS: timeout, StreamS: timeout, NewPerS: rate, KnownPerS: 1000, FullS: 5.25, FilledS: filled,
		StopS: stop, RecoveredS: 18.25, EntryBytes: 344, LogLines: []string{"nf_conntrack: nf_conntrack: table full, dropping packet", "net_ratelimit: 49000 callbacks suppressed"}}
	var dropped, evicted float64
	for i := 1; i <= 120; i++ {
		s := float64(i) * step
		p := record.Point{S: s, KnownSent: 1000, KnownAnswered: 1000}
		p.Entries = uint64(min(limit, rate*s))
		switch {
		case s <= filled:
			p.NewSentPerS, p.NewAnswered = rate, rate
			if s > c.FullS {
				evicted += 300 * step
			}
		case s <= stop:
			p.NewSentPerS, p.NewAnswered = rate, 0.004*rate
			dropped += (rate - p.NewAnswered) * step
		default:
			p.NewSentPerS = 200
		}
		if s > 18 {
			p.NewAnswered = 200
			p.Entries = uint64(math.Max(1000, limit-rate*(s-18)))
		}
		p.Drop, p.EarlyDrop = uint64(dropped), uint64(evicted)
		c.Points = append(c.Points, p)
	}
	return c
}

// Everything that is measured has its section; what is not is named in one line.
func TestSections(t *testing.T) {
	ids := func(s Summary) (ids []string) {
		for _, section := range s.Page().Sections {
			ids = append(ids, section.ID)
			require.NotEmpty(t, section.Body, section.ID)
			if slices.ContainsFunc(questions, func(q question) bool { return q.id == section.ID }) {
				require.NotEmpty(t, section.Answer, section.ID)
				require.Equal(t, ".", section.Answer[len(section.Answer)-1:], section.Answer)
			}
		}
		return ids
	}
	background := []string{"control", "machine", "method", "left-out", "repeat"}
	s := showcase(t)
	require.Equal(t, append([]string{"latency", "cpu", "throughput", "new-flows", "full", "raised", "cures"}, background...), ids(s))
	require.Empty(t, s.Page().Missing)

	plain, err := Summarize(imagine(world{}))
	require.NoError(t, err)
	require.Equal(t, append([]string{"latency", "cpu", "throughput", "cures"}, background...), ids(plain))
	require.Len(t, plain.Page().Missing, 3)

	run := imagine(world{header: func(h *record.Header) { h.Plan.Arms = []plan.Arm{plan.Off, plan.Control} }})
	run.Trials = slices.DeleteFunc(run.Trials, func(t record.Trial) bool { return t.Arm.Tracks() })
	only, err := Summarize(run)
	require.NoError(t, err)
	for _, section := range only.Page().Sections {
		require.NotContains(t, section.Answer, "tracking costs")
	}
}

func TestCurveSentences(t *testing.T) {
	c := fillCurve(0)
	require.Equal(t, "At 50,000 new flows a second the table of 262,144 entries was full after 5.2 s; once the flows in it had asked twice, 99.60 % of the "+
		"queries from new flows were lost and none of those from known ones, and new flows were answered again 3.2 s after the flood had ended.", curveSentence(c))
	require.Contains(t, fmt.Sprint(curveNotes(c)), "holds 21,845 new flows a second for good with these time-outs, and 8,738 with the defaults")
	require.Contains(t, fmt.Sprint(curveNotes(c)), "344 bytes of kernel memory, measured while the table filled: 86 MiB at the limit")

	never := c
	never.RecoveredS, never.Others = 0, 100_000
	require.Contains(t, curveSentence(never), "262,144 entries, 100,000 of which were put in before, was full")
	require.Contains(t, curveSentence(never), "new flows were not answered again while it was watched.")
	never.Others = 0
	never.FullS = 0
	require.Equal(t, "At 50,000 new flows a second the table of 262,144 entries did not fill within 15.0 s.", curveSentence(never))
	known, fresh := lostWhileFull(never)
	require.Equal(t, "–", known.String()+fresh.String()[len("–"):])

	c.LogLines, c.LogReason = nil, "/dev/kmsg: operation not permitted"
	require.Contains(t, fmt.Sprint(curveNotes(c)), "What the kernel log said is not known: /dev/kmsg: operation not permitted.")
	c.LogReason = ""
	require.Contains(t, fmt.Sprint(curveNotes(c)), "The kernel log said nothing.")
}
