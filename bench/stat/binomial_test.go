package stat

import (
	"math"
	"testing"

	"github.com/stretchr/testify/require"
)

// The ends for all or none are known in closed form; the others are those of R's binom.test.
func TestProportion(t *testing.T) {
	for _, c := range []struct {
		hits, of int
		lo, hi   float64
	}{
		{0, 20, 0, 1 - math.Pow(0.025, 1.0/20)},
		{20, 20, math.Pow(0.025, 1.0/20), 1},
		{1, 20, 0.001265, 0.248733},
		{19, 20, 0.751267, 0.998735},
		{10, 20, 0.271957, 0.728043},
		{0, 1, 0, 0.975},
		{1, 1, 0.025, 1},
		{0, 0, 0, 1},
	} {
		s := Proportion(c.hits, c.of, 0.95)
		require.InDelta(t, c.lo, s.Lo, 1e-5, "%d of %d", c.hits, c.of)
		require.InDelta(t, c.hi, s.Hi, 1e-5, "%d of %d", c.hits, c.of)
		require.Equal(t, c.hits, s.Hits)
		require.Equal(t, c.of, s.Of)
	}
	require.InDelta(t, 0.3, Proportion(3, 10, 0.95).Share, 1e-12)
	require.Greater(t, Proportion(5000, 10000, 0.95).Lo, 0.49, "a large number is no trouble")
}

// Whatever the truth, the interval holds it as often as it says.
func TestProportionCovers(t *testing.T) {
	const n = 20
	for _, p := range []float64{0.02, 0.1, 0.5, 0.77, 0.95} {
		covered := 0.0
		for k := range n + 1 {
			if s := Proportion(k, n, 0.95); s.Lo <= p && p <= s.Hi {
				covered += math.Exp(logChoose(n, k) + float64(k)*math.Log(p) + float64(n-k)*math.Log(1-p))
			}
		}
		require.GreaterOrEqual(t, covered, 0.95, "%v", p)
	}
}
