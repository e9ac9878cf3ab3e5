package plan

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestStandardRunsKeepTheirPromise(t *testing.T) {
	for _, c := range []struct {
		name  string
		spec  Spec
		limit time.Duration
	}{
		{"quick", Quick(), time.Minute},
		{"full", Full(), 10 * time.Minute},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, c.spec.Validate())
			// A tenth is kept in hand for a machine slower than the one the overheads were taken on.
			require.LessOrEqual(t, c.spec.Estimate(), c.limit-c.limit/10)
		})
	}
	require.GreaterOrEqual(t, Quick().Blocks, 6, "fewer pairs cannot give a 95 % interval of a median")
	require.GreaterOrEqual(t, Full().Blocks, 16)
}

func TestEstimateGrowsWithWork(t *testing.T) {
	s := Quick()
	one := s.Estimate()
	s.Blocks *= 2
	require.Equal(t, 2*one-perRun, s.Estimate())
	s.Max = Timing{Measure: time.Second}
	require.Equal(t, s.Estimate()-perRun, time.Duration(s.Trials()/2)*(s.Fixed.Warmup+s.Fixed.Measure+s.Max.Measure+2*perTrial))
}

func specs() *rapid.Generator[Spec] {
	return rapid.Custom(func(t *rapid.T) Spec {
		s := Full()
		s.Seed = rapid.Uint64().Draw(t, "seed")
		s.Blocks = rapid.IntRange(1, 12).Draw(t, "blocks")
		s.Arms = append([]Arm{Off, Control}, rapid.SampledFrom([][]Arm{nil, {On}, {Notrack}, {On, Notrack}}).Draw(t, "arms")...)
		s.Patterns = rapid.SampledFrom([][]Pattern{{Few}, {Many}, {Few, Many}}).Draw(t, "patterns")
		if rapid.Bool().Draw(t, "fixed only") {
			s.Max = Timing{}
		}
		return s
	})
}

func TestEveryBlockHoldsEveryCellOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := specs().Draw(t, "spec")
		p, err := New(spec)
		require.NoError(t, err)
		require.Len(t, p.Slots, spec.Trials())
		cells := spec.Trials() / spec.Blocks
		for block := range spec.Blocks {
			seen := map[Cell]bool{}
			var groups []string
			for i, slot := range p.Slots[block*cells : (block+1)*cells] {
				require.Equal(t, block, slot.Block)
				require.Equal(t, i, slot.Position)
				require.False(t, seen[slot.Cell], "cell %v twice in block %d", slot.Cell, block)
				seen[slot.Cell] = true
				if g := fmt.Sprint(slot.Flows, slot.Measure); len(groups) == 0 || groups[len(groups)-1] != g {
					groups = append(groups, g)
				}
			}
			require.Len(t, seen, cells)
			require.Len(t, groups, len(spec.Patterns)*len(spec.Measures()), "compared trials must stand together")
		}
	})
}

func TestSeedDecidesOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := specs().Draw(t, "spec")
		a, err := New(spec)
		require.NoError(t, err)
		b, err := New(spec)
		require.NoError(t, err)
		require.Equal(t, a, b)
	})
	spec := Full()
	a, _ := New(spec)
	spec.Seed++
	b, _ := New(spec)
	require.NotEqual(t, a.Slots, b.Slots)
}

// Over many blocks every arm must be found in every place about equally often, else the order itself
// would favour one of them.
func TestOrderIsFair(t *testing.T) {
	spec := Quick()
	spec.Blocks, spec.Patterns = 4000, []Pattern{Many}
	p, err := New(spec)
	require.NoError(t, err)
	count := map[Slot]int{}
	for _, s := range p.Slots {
		s.Block = 0
		count[s]++
	}
	require.Len(t, count, 16)
	for s, n := range count {
		require.InDelta(t, 1000, n, 5*28, "%s in place %d", s.Arm, s.Position) // 5 sigma of Binomial(4000, 1/4)
	}
}

func TestNewDoesNotTouchTheSpec(t *testing.T) {
	spec := Full()
	before := Full()
	_, err := New(spec)
	require.NoError(t, err)
	require.Equal(t, before, spec)
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(*Spec)
		says string
	}{
		{"no block", func(s *Spec) { s.Blocks = 0 }, "0 blocks"},
		{"no baseline", func(s *Spec) { s.Arms = []Arm{On, Control} }, "arm off is missing"},
		{"no control", func(s *Spec) { s.Arms = []Arm{Off, On} }, "arm control is missing"},
		{"no pattern", func(s *Spec) { s.Patterns = nil }, "no flow pattern"},
		{"no measure", func(s *Spec) { s.Fixed, s.Max = Timing{}, Timing{} }, "no measure"},
		{"no rate", func(s *Spec) { s.Rate = 0 }, "rate 0"},
		{"no window", func(s *Spec) { s.Window = 0 }, "window 0"},
		{"negative", func(s *Spec) { s.Fixed.Warmup = -1 }, "negative"},
		{"unknown arm", func(s *Spec) { s.Arms = append(s.Arms, "sideways") }, `"sideways": unknown`},
		{"twice", func(s *Spec) { s.Patterns = []Pattern{Few, Few} }, "given twice"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Full()
			c.edit(&s)
			_, err := New(s)
			require.ErrorContains(t, err, c.says)
		})
	}
}

func TestParse(t *testing.T) {
	for _, c := range []struct {
		in   string
		want []Arm
	}{
		{"on", []Arm{Off, Control, On}},
		{"notrack, on ,off", []Arm{Off, Control, On, Notrack}},
		{"control", []Arm{Off, Control}},
	} {
		got, err := ParseArms(c.in)
		require.NoError(t, err)
		require.Equal(t, c.want, got, c.in)
	}
	for _, bad := range []string{"", " , ", "on,on", "xyz"} {
		_, err := ParseArms(bad)
		require.Error(t, err, "%q", bad)
		_, err = ParsePatterns(bad)
		require.Error(t, err, "%q", bad)
	}
	got, err := ParsePatterns("many,few")
	require.NoError(t, err)
	require.Equal(t, []Pattern{Few, Many}, got)
}

func TestPatternsHaveFlows(t *testing.T) {
	for _, p := range Patterns() {
		require.Positive(t, p.Flows(), p)
	}
	require.Zero(t, Pattern("other").Flows())
	require.False(t, slices.ContainsFunc([]Arm{Off, Control}, Arm.Tracks))
}

func TestSpecSurvivesJSON(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := specs().Draw(t, "spec")
		line, err := json.Marshal(spec)
		require.NoError(t, err)
		var back Spec
		require.NoError(t, json.Unmarshal(line, &back))
		require.Equal(t, spec, back)
	})
}

func TestRate(t *testing.T) {
	for _, c := range []struct {
		answersPerS float64
		want        int
	}{
		{0, 1000},
		{3, 10},
		{120, 40},
		{2_000, 800},
		{2_500, 1_000},
		{10_000, 4_000},
		{124_636, 49_000},
		{200_000, 80_000},
		{1e9, 80_000},
	} {
		require.Equal(t, c.want, Rate(c.answersPerS), "%v answers/s", c.answersPerS)
	}
}

func TestRepeatsFitIn(t *testing.T) {
	for limit, s := range map[time.Duration]Spec{time.Minute: Quick(), 10 * time.Minute: Full()} {
		again := s.Estimate() * time.Duration(s.Repeats()) / time.Duration(s.Trials())
		require.Less(t, s.Estimate()+again, limit)
	}
}
