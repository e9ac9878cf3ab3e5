package plan

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestSearchSlots(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		spec := specs().Draw(t, "spec")
		slots := SearchSlots(spec)
		require.Len(t, slots, spec.SearchTrials())
		require.Equal(t, slots, SearchSlots(spec), "the seed decides")
		seen := map[Slot]bool{}
		searched := map[Slot]bool{} // cells whose search has been made
		position := 0
		for i, slot := range slots {
			if i > 0 && slot.Block != slots[i-1].Block {
				position = 0
			}
			require.Equal(t, position, slot.Position)
			position++
			cell := slot
			cell.Position = 0
			require.False(t, seen[cell], "twice in a block")
			seen[cell] = true
			require.Contains(t, spec.SearchMeasures(), slot.Measure)
			if slot.Measure == Search {
				searched[cell] = true
				continue
			}
			for _, arm := range []Arm{Off, Control} {
				cell.Arm, cell.Measure = arm, Search
				require.True(t, searched[cell], "the rates of a pattern's loads follow from the searches of its baseline")
			}
			if last := slots[i-1]; last.Measure != slot.Measure {
				require.Zero(t, (position-1)%len(spec.SearchArms()), "arms that are compared stand together")
			}
		}
	})
}

func TestSearchLeavesOut(t *testing.T) {
	s := Full()
	s.Arms, s.Patterns = append(s.Arms, Filled), append(s.Patterns, Fresh)
	for _, slot := range SearchSlots(s) {
		require.NotEqual(t, Filled, slot.Arm)
		require.NotEqual(t, Fresh, slot.Flows)
	}
	require.Contains(t, s.Arms, Filled, "the spec stays as it is")
	s.Searches = 0
	require.Empty(t, SearchSlots(s))
	require.Empty(t, s.SearchMeasures())
	require.Zero(t, s.SearchTrials())
	require.Zero(t, s.SearchEstimate())
}

func TestShares(t *testing.T) {
	require.Equal(t, []float64{0.25, 0.5, 0.75, 0}, []float64{Load25.Share(), Load50.Share(), Load75.Share(), Fixed.Share()})
}

// Five blocks of searches of four arms and two patterns take no more than five minutes.
func TestSearchesKeepTheirPromise(t *testing.T) {
	require.LessOrEqual(t, Full().SearchEstimate(), 5*time.Minute)
	require.GreaterOrEqual(t, Full().Searches, 5, "fewer pairs give no interval")
}

func TestPilotSlots(t *testing.T) {
	for _, patterns := range [][]Pattern{{Few}, {Few, Many}, {Few, Many, Fresh}, {Fresh}} {
		s := Full()
		s.Patterns = patterns
		slots := PilotSlots(s)
		require.Equal(t, slots, PilotSlots(s))
		require.GreaterOrEqual(t, len(slots), 2*pilotPairs)
		seen := map[Slot]int{}
		for _, slot := range slots {
			require.Equal(t, Fixed, slot.Measure)
			require.True(t, slot.Arm == Off || slot.Arm == Control, "a pilot that saw other arms could be swayed by them")
			require.True(t, len(patterns) == 1 || slot.Flows != Fresh)
			slot.Arm, slot.Position = "", 0
			seen[slot]++
		}
		for slot, n := range seen {
			require.Equal(t, 2, n, "%+v", slot)
		}
	}
}

func TestSized(t *testing.T) {
	require.True(t, Full().Sized())
	require.False(t, Quick().Sized())
	s := Full()
	s.Pilot = &Pilot{}
	require.False(t, s.Sized(), "once is enough")
	require.Equal(t, Full().Estimate(), s.Estimate(), "and was part of the run")
	s.Resolution, s.Pilot = 0, nil
	require.Less(t, s.Estimate(), Full().Estimate())
}

// As many blocks as fit keep within the limit, and one more would not.
func TestFitting(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := specs().Draw(t, "spec")
		n := s.Fitting()
		require.GreaterOrEqual(t, n, LeastBlocks)
		require.LessOrEqual(t, n, MostBlocks)
		took := func(blocks int) time.Duration {
			s.Blocks = blocks
			once := s.Estimate()
			return once + (once-s.SearchEstimate()-s.pilotEstimate())/8
		}
		require.True(t, n == LeastBlocks || took(n) <= Limit)
		require.True(t, n == MostBlocks || took(n+1) > Limit)
	})
	require.GreaterOrEqual(t, Full().Fitting(), 18)
}
