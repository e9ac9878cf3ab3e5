package slices

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func config() Config {
	return Config{Base: "b {addr}", Head: "h {addr}", Null: "n {addr}", Generator: "g", Load: DefaultLoad(), Size: Size{Rounds: 2, Blocks: 6}}
}

// The null responder is there in every fourth block; generators are measured at the fixed rate only.
func TestSetCounts(t *testing.T) {
	s, err := config().set()
	require.NoError(t, err)
	// 12 blocks of three servers, three of them with a fourth one, twice at two measures.
	require.Equal(t, (12*3+3)*2*2, s.slices())
	require.Equal(t, []int{0, 1, 2, 3}, s.groups[0].present(8))
	require.Equal(t, []int{0, 1, 2}, s.groups[0].present(9))

	c := config()
	c.GeneratorBase, c.GeneratorHead = "g", "g2"
	s, err = c.set()
	require.NoError(t, err)
	require.Equal(t, (12*3+3)*2*2+12*3*2, s.slices())

	c.Only = []string{"generator_cpu_ns_per_query"}
	s, err = c.set()
	require.NoError(t, err)
	require.Equal(t, 12*3*2, s.slices(), "of the servers nothing is asked")

	c = config()
	c.Only = []string{"answers_per_s", "cpu_ns_per_query_flat_out"}
	s, err = c.set()
	require.NoError(t, err)
	require.Equal(t, (12*3+3)*2, s.slices(), "both are measured in the same slices")

	c = config()
	c.Null = ""
	s, err = c.set()
	require.NoError(t, err)
	require.Equal(t, 12*3*2*2, s.slices())
}

func TestConfigErrors(t *testing.T) {
	for name, spoil := range map[string]func(*Config){
		"base and head":               func(c *Config) { c.Head = "" },
		"path of a generator":         func(c *Config) { c.Generator = "" },
		"the command of a null":       func(c *Config) { c.Null, c.GeneratorBase, c.GeneratorHead = "", "g", "g" },
		"compare generators":          func(c *Config) { c.GeneratorHead = "g" },
		"nothing measures any of [x]": func(c *Config) { c.Only = []string{"x"} },
		"0 rounds of 6 blocks":        func(c *Config) { c.Size.Rounds = 0 },
		"2 rounds of 0 blocks: at l":  func(c *Config) { c.Size.Blocks = 0 },
	} {
		c := config()
		spoil(&c)
		_, err := EndToEnd(context.Background(), c)
		require.ErrorContains(t, err, name)
	}
	_, err := SelfTest{}.Run(context.Background())
	require.ErrorContains(t, err, "self-test: it needs a judge")
}

// A comparison that fits a budget takes no longer, and one more block would.
func TestFit(t *testing.T) {
	for _, budget := range []time.Duration{20 * time.Second, time.Minute, 3 * time.Minute} {
		c := config()
		require.NoError(t, c.Fit(budget))
		took, err := c.Estimate()
		require.NoError(t, err)
		require.LessOrEqual(t, time.Duration(c.Size.Rounds)*raising, max(raising, budget/10))
		require.LessOrEqual(t, took, budget)
		require.GreaterOrEqual(t, c.Size.Rounds*c.Size.Blocks, leastBlocks)
		c.Size.Blocks++
		more, err := c.Estimate()
		require.NoError(t, err)
		require.Greater(t, more, budget)
	}
	c := config()
	require.ErrorIs(t, c.Fit(5*time.Second), ErrTooShort)
	c.Head = ""
	require.ErrorContains(t, c.Fit(time.Minute), "commands of base and head")
}

func TestProgress(t *testing.T) {
	s, err := config().set()
	require.NoError(t, err)
	var told, all int
	recorded := 0
	each := counted(s, func(done, of int, left time.Duration) { told, all = done, of }, func(Slice) error { recorded++; return nil })
	for range s.slices() {
		require.NoError(t, each(Slice{}))
	}
	require.Equal(t, s.slices(), told)
	require.Equal(t, s.slices(), all)
	require.Equal(t, s.slices(), recorded)
	require.NoError(t, counted(s, nil, nil)(Slice{}))
}
