package peers

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/bench/stat"
)

func TestParseMethods(t *testing.T) {
	got, err := ParseMethods("mix, ping")
	require.NoError(t, err)
	require.Equal(t, []Measure{Ping, Mix}, got)
	for _, list := range []string{"", "ping,", "latency", "Ping"} {
		_, err := ParseMethods(list)
		require.ErrorContains(t, err, "unknown method", list)
	}
}

func TestSlots(t *testing.T) {
	spec := Full()
	spec.Seed, spec.Blocks = 7, 20
	servers := []Server{{Name: "a"}, {Name: "b"}, {Name: "tracker", Payload: BEP15}}
	slots := spec.Slots(servers)
	require.Equal(t, slots, spec.Slots(servers), "the seed decides")
	require.Len(t, slots, 20*(2*8+1))

	first := map[Measure]bool{}
	for block := range 20 {
		seen := map[Slot]bool{}
		var order []Measure
		for i, s := range slots[block*17 : (block+1)*17] {
			require.Equal(t, block, s.Block)
			require.Equal(t, i == 0, s.First)
			require.True(t, s.Server < 2 || s.Measure == Ping)
			s.First = false
			require.False(t, seen[s], "everything once a block")
			seen[s] = true
			if !slices.Contains(order, s.Measure) {
				order = append(order, s.Measure)
			}
			require.Equal(t, s.Measure, order[len(order)-1], "what is compared lies together")
		}
		first[order[0]] = true
	}
	require.Greater(t, len(first), 4, "the order differs from block to block")

	spec.Methods = []Measure{Ping}
	require.Len(t, spec.Slots(servers), 20*3, "without the mix there is no overload of it")
}

// The time that a run takes is promised in its help.
func TestDurations(t *testing.T) {
	servers := Builtin("/bin")
	for _, c := range []struct {
		spec Spec
		most time.Duration
	}{{Full(), 15 * time.Minute}, {Quick(), 5 * time.Minute}} {
		slots := c.spec.Slots(servers)
		require.Less(t, c.spec.Estimate(slots)+c.spec.Preparation(servers), c.most)
		for _, m := range append(Methods(), Latency, Overload, Recovery) {
			require.Positive(t, c.spec.Timing[m].Measure, m)
		}
		require.True(t, stat.Estimate{N: c.spec.Blocks}.Bounded(), "blocks enough for intervals")
	}
}

func TestMeasures(t *testing.T) {
	require.Equal(t, "get_peers=1", GetPeersMiss.Weights("all"))
	require.Equal(t, "find_node=1", FindNode.Weights("all"))
	for _, m := range []Measure{Mix, Latency, Overload, Recovery} {
		require.Equal(t, "all", m.Weights("all"))
	}
	require.Equal(t, 200.0, Overload.Rate(100))
	require.Equal(t, 50.0, Recovery.Rate(100))
	require.Equal(t, 50.0, Latency.Rate(100))
	require.True(t, Mix.Closed())
	require.False(t, Overload.Closed())
}
