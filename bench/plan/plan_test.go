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
		{"full", Full(), Limit},
	} {
		t.Run(c.name, func(t *testing.T) {
			require.NoError(t, c.spec.Validate())
			// A tenth is kept in hand for a machine slower than the one the overheads were taken on.
			require.LessOrEqual(t, c.spec.Estimate(), c.limit-c.limit/10)
		})
	}
	require.GreaterOrEqual(t, Quick().Blocks, 6, "fewer pairs cannot give a 95 % interval of a median")
	require.GreaterOrEqual(t, Full().Blocks, 16)
	require.GreaterOrEqual(t, Full().Rare, 8)
}

func TestEstimateGrowsWithWork(t *testing.T) {
	s := Quick() // without a pilot or searches
	one := s.Estimate()
	s.Blocks, s.Rare = 2*s.Blocks, 2*s.Rare
	require.Equal(t, 2*one-perRun, s.Estimate())
	s.Arms = []Arm{Off, Control, On, Notrack}
	plain := s.Estimate()
	s.Max = Timing{Measure: time.Second}
	primed := 2 * time.Duration(s.Blocks*len(s.Arms)) * (Few.primed() + Many.primed())
	require.Equal(t, s.Estimate()-perRun-primed, time.Duration(s.Trials()/2)*(s.Fixed.Warmup+s.Fixed.Measure+s.Max.Measure+2*perTrial))
	s.Max, s.Arms, s.Rare = Timing{}, append(s.Arms, Filled), 1
	require.Equal(t, plain+s.Fixed.Warmup+s.Fixed.Measure+perTrial+perFill, s.Estimate())
}

func specs() *rapid.Generator[Spec] {
	return rapid.Custom(func(t *rapid.T) Spec {
		s := Full()
		s.Seed = rapid.Uint64().Draw(t, "seed")
		s.Blocks = rapid.IntRange(1, 12).Draw(t, "blocks")
		s.Arms = append([]Arm{Off, Control}, rapid.SampledFrom([][]Arm{nil, {On}, {Notrack}, {On, Notrack}, {On, Raised, Filled}, {Filled}}).Draw(t, "arms")...)
		s.Patterns = rapid.SampledFrom([][]Pattern{{Few}, {Many}, {Few, Many}, {Few, Many, Fresh}, {Fresh}}).Draw(t, "patterns")
		s.Rare = rapid.IntRange(0, 13).Draw(t, "rare")
		if rapid.Bool().Draw(t, "fixed only") {
			s.Max = Timing{}
		}
		s.Searches = rapid.IntRange(0, 6).Draw(t, "searches")
		if rapid.Bool().Draw(t, "pilot") {
			s.Pilot = &Pilot{Pairs: 16, Spread: 0.03, Needed: 38, Blocks: 30, HalfWidth: 0.02}
		}
		return s
	})
}

func TestEveryBlockHoldsItsCellsOnce(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := specs().Draw(t, "spec")
		p, err := New(spec)
		require.NoError(t, err)
		require.Len(t, p.Slots, spec.Trials())
		rest, rare := p.Slots, 0
		for block := range spec.Blocks {
			seen := map[Cell]bool{}
			var groups []string
			for len(rest) > 0 && rest[0].Block == block {
				slot := rest[0]
				rest = rest[1:]
				require.Equal(t, len(seen), slot.Position)
				require.False(t, seen[slot.Cell], "cell %v twice in block %d", slot.Cell, block)
				require.True(t, spec.Has(slot.Cell))
				seen[slot.Cell] = true
				if g := fmt.Sprint(slot.Flows, slot.Measure); len(groups) == 0 || groups[len(groups)-1] != g {
					require.NotContains(t, groups, g, "compared trials must stand together")
					groups = append(groups, g)
				}
			}
			if spec.rareBlock(block) {
				rare++
			}
			for _, c := range all(spec) {
				require.Equal(t, !c.Rare() || spec.rareBlock(block), seen[c], "%v in block %d", c, block)
				base := c
				base.Arm = Off
				require.True(t, !seen[c] || seen[base], "%v without its baseline", c)
			}
		}
		require.Empty(t, rest)
		if spec.Rare > 0 {
			require.Equal(t, min(spec.Rare, spec.Blocks), rare)
		}
	})
}

// all lists the cells that a spec has.
func all(s Spec) (out []Cell) {
	for _, p := range Patterns() {
		for _, m := range []Measure{Fixed, Max} {
			for _, a := range Arms() {
				if c := (Cell{a, p, m}); s.Has(c) {
					out = append(out, c)
				}
			}
		}
	}
	return out
}

func TestCells(t *testing.T) {
	s := Full()
	for _, c := range []struct {
		cell Cell
		want bool
	}{
		{Cell{On, Few, Max}, true},
		{Cell{On, Fresh, Fixed}, true},
		{Cell{On, Fresh, Max}, false},
		{Cell{Raised, Few, Fixed}, true},
		{Cell{Raised, Fresh, Fixed}, true},
		{Cell{Raised, Many, Max}, false},
		{Cell{Filled, Many, Fixed}, true},
		{Cell{Filled, Few, Fixed}, false},
		{Cell{Filled, Fresh, Fixed}, false},
		{Cell{On, Few, Search}, false},
		{Cell{"sideways", Few, Fixed}, false},
	} {
		require.Equal(t, c.want, s.Has(c.cell), c.cell)
	}
	s.Patterns = []Pattern{Fresh}
	require.True(t, s.Has(Cell{Filled, Fresh, Fixed}), "there is no other")
	require.False(t, Cell{On, Many, Fixed}.Rare())
	require.True(t, Cell{Off, Fresh, Fixed}.Rare())
	require.True(t, Cell{Raised, Few, Fixed}.Rare())
	require.Empty(t, Spec{}.Main())
}

func TestFresh(t *testing.T) {
	s := Full()
	require.False(t, s.FitFresh(262_144))
	require.Equal(t, s.Rate, s.RateOf(Fresh))
	require.Equal(t, 44_000+freshSlack, s.FlowsOf(Fresh))
	require.Equal(t, 60_000, s.FlowsOf(Many))
	require.False(t, s.FitFresh(0), "an unknown limit")
	for _, limit := range []uint64{1, 2048, 2049, 4096, 65_536, 90_000} {
		require.True(t, s.FitFresh(limit), limit)
		require.Positive(t, s.RateOf(Fresh))
		if limit >= 4096 {
			require.LessOrEqual(t, uint64(s.FlowsOf(Fresh)), limit/2)
			require.Greater(t, uint64(s.FlowsOf(Fresh)), limit/2-10)
		}
		require.Equal(t, s.Rate, s.RateOf(Few))
	}
	s.Rate = 10_000_000
	require.True(t, s.FitFresh(1<<30))
	require.LessOrEqual(t, s.FlowsOf(Fresh), Fresh.Flows())
	s.Rate = 1000
	require.False(t, s.FitFresh(262_144))
	require.Zero(t, s.FreshRate, "what was lowered before is forgotten")
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
	spec.Blocks, spec.Patterns, spec.Arms = 4000, []Pattern{Many}, []Arm{Off, Control, On, Notrack}
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
		{"only what is not measured flat out", func(s *Spec) { s.Fixed, s.Patterns = Timing{}, []Pattern{Fresh} }, "pattern new is not measured flat out"},
		{"negative rare", func(s *Spec) { s.Rare = -1 }, "must not be negative"},
		{"negative", func(s *Spec) { s.Fixed.Warmup = -1 }, "negative"},
		{"unknown arm", func(s *Spec) { s.Arms = append(s.Arms, "sideways") }, `"sideways": unknown`},
		{"searches below none", func(s *Spec) { s.Searches = -1 }, "-1 searches"},
		{"searches without steps", func(s *Spec) { s.Searching.Short = 0 }, "searches of steps"},
		{"searches without time", func(s *Spec) { s.Searching.Budget = time.Millisecond }, "searches of steps"},
		{"searches without loads", func(s *Spec) { s.Searching.Load = Timing{} }, "missing or negative"},
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
		{"full,raised", []Arm{Off, Control, Raised, Filled}},
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
	got, err := ParsePatterns("new,many,few")
	require.NoError(t, err)
	require.Equal(t, []Pattern{Few, Many, Fresh}, got)
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
	for limit, s := range map[time.Duration]Spec{time.Minute: Quick(), Limit: Full()} {
		again := (s.Estimate() - s.SearchEstimate()) * time.Duration(s.Repeats()) / time.Duration(s.Trials())
		require.Less(t, s.Estimate()+again, limit)
	}
}
