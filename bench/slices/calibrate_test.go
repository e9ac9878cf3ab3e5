package slices

import (
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/stat"
)

func TestCalibration(t *testing.T) {
	flatOut := make([]stat.Pair, 8)
	for i := range flatOut {
		flatOut[i] = stat.Pair{Base: 4000 + 10*float64(i), Arm: 7000 + 10*float64(i)}
	}
	queries := []float64{6000, 5990, 6010, 6020, 5980}
	c, err := NewCalibration(queries, flatOut, 1500)
	require.NoError(t, err)
	require.InEpsilon(t, 2, c.TurnNS, 1e-9)
	require.Zero(t, c.Uncertain)
	require.Equal(t, 300, c.Turns(0.1), "a tenth of 6,000 ns are 600 ns, and 300 turns")
	require.Zero(t, c.Turns(0))
	require.InEpsilon(t, 0.1, c.Injected(serverMetrics[0], 0.1), 1e-9)
	require.InEpsilon(t, 0.1*6000/4035, c.Injected(serverMetrics[1], 0.1), 1e-9, "600 ns of a cheaper query")
	require.Zero(t, c.Injected(serverMetrics[2], 0))
	require.Contains(t, c.String(), "6000 ns of CPU time at the fixed rate and 4035 ns flat out, a turn of wasted work 2.00 ns")

	flatOut[7].Arm += 1000
	c, err = NewCalibration(queries, flatOut, 1500)
	require.NoError(t, err)
	require.Positive(t, c.Uncertain)

	for _, wrong := range [][]stat.Pair{nil, {{Base: 5000, Arm: 5000}}, {{Base: 5000, Arm: 4000}}} {
		_, err := NewCalibration(queries, wrong, 1500)
		require.ErrorContains(t, err, "does the server waste when told to")
	}
	_, err = NewCalibration(nil, flatOut, 1500)
	require.Error(t, err)
}

func TestBurning(t *testing.T) {
	require.Equal(t, "server --burn 120x {addr}", Burning("server --burn {burn} {addr}", 120))
	require.Equal(t, "server {addr}", Burning("server {addr}", 120))
}
