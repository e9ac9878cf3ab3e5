package search

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"supernode/bench/record"
)

// usual is a search as bench conntrack makes it, of a server that answers about guess at most.
func usual(guess float64) Config {
	return Config{
		Losses: []float64{0.001, 0.005}, Start: 1.5 * guess, Least: 100, Most: 5e6,
		Short: 100 * time.Millisecond, Long: 300 * time.Millisecond, Coarse: 0.05, Fine: 0.025,
		Overhead: 100 * time.Millisecond, Budget: 4 * time.Second,
	}
}

// patient is the same without an end.
func patient(guess float64) Config {
	c := usual(guess)
	c.Budget = time.Hour
	return c
}

// server is one that loses a share of the queries that depends on their rate alone.
func server(loss func(rate float64) float64) Measure {
	return func(rate float64, length time.Duration) (Outcome, error) {
		sent := math.Round(rate * length.Seconds())
		return Outcome{Sent: uint64(sent), Answered: uint64(math.Round(sent * (1 - loss(rate))))}, nil
	}
}

// sharp answers all up to its capacity, and no more.
func sharp(capacity float64) func(float64) float64 {
	return func(rate float64) float64 { return max(0, 1-capacity/rate) }
}

// soft loses some before: from four fifths of its capacity on, 0.1 % at nine tenths.
func soft(capacity float64) func(float64) float64 {
	return func(rate float64) float64 {
		near := min(1, max(0, rate/capacity-0.8)/0.2)
		return max(0.004*near*near, sharp(capacity)(rate))
	}
}

// slack loses ever more from knee on, but never much: a twentieth when the rate has doubled.
func slack(knee float64) func(float64) float64 {
	return func(rate float64) float64 { return min(1, 0.05*max(0, rate/knee-1)) }
}

var knees = map[string]func(float64) func(float64) float64{"sharp": sharp, "soft": soft, "slack": slack}

// limit is the rate at which a server loses as much as allowed.
func limit(loss func(float64) float64, allowed float64) float64 {
	lo, hi := 1.0, 1e9
	for range 200 {
		if middle := math.Sqrt(lo * hi); loss(middle) > allowed {
			hi = middle
		} else {
			lo = middle
		}
	}
	return lo
}

// requireFound checks the bounds of a loss against the truth, which a step can tell to whole queries only.
func requireFound(t require.TestingT, f record.Found, truth, width float64) {
	grain := 0.003 + 100/truth
	require.False(t, f.Unfinished, "%+v", f)
	require.LessOrEqual(t, f.QPS, truth*(1+grain), "%+v", f)
	require.GreaterOrEqual(t, f.AtMost, truth*(1-grain), "%+v", f)
	require.LessOrEqual(t, f.AtMost, f.QPS*(1+width), "%+v", f)
	require.False(t, f.Limited, "%+v", f)
}

func TestSteadyServers(t *testing.T) {
	for name, knee := range knees {
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				capacity := rapid.Float64Range(5_000, 2e6).Draw(t, "capacity")
				c := patient(capacity * rapid.Float64Range(0.1, 10).Draw(t, "guess"))
				got, err := Run(c, server(knee(capacity)))
				require.NoError(t, err)
				require.Len(t, got.Found, 2)
				for i, loss := range c.Losses {
					require.Equal(t, loss, got.Found[i].LossRatio)
					requireFound(t, got.Found[i], limit(knee(capacity), loss), c.Fine)
				}
				require.GreaterOrEqual(t, got.Found[1].QPS, got.Found[0].QPS, "more loss allowed, no lower rate")
				require.Less(t, len(got.Steps), 60)
			})
		})
	}
}

// With a fair guess the budget is enough for the strictest loss.
func TestTheUsualBudgetIsEnough(t *testing.T) {
	for _, name := range []string{"sharp", "soft"} {
		knee := knees[name]
		t.Run(name, func(t *testing.T) {
			rapid.Check(t, func(t *rapid.T) {
				capacity := rapid.Float64Range(20_000, 2e6).Draw(t, "capacity")
				c := usual(capacity * rapid.Float64Range(0.7, 1.4).Draw(t, "guess"))
				got, err := Run(c, server(knee(capacity)))
				require.NoError(t, err)
				var spent time.Duration
				for _, s := range got.Steps {
					spent += time.Duration(s.DurationS*float64(time.Second)) + c.Overhead
				}
				require.LessOrEqual(t, spent, c.Budget)
				requireFound(t, got.Found[0], limit(knee(capacity), c.Losses[0]), c.Fine)
			})
		})
	}
}

// A burst of loss in every tenth step costs a search little, and never makes it find too much.
func TestBurstsOfLoss(t *testing.T) {
	const capacity, searches = 150_000, 400
	close, rng := 0, rand.New(rand.NewPCG(1, 1))
	for range searches {
		quiet := server(sharp(capacity))
		got, err := Run(usual(capacity*(0.8+0.4*rng.Float64())), func(rate float64, length time.Duration) (Outcome, error) {
			o, err := quiet(rate, length)
			if rng.Float64() < 0.1 {
				o.Answered -= o.Answered / 30
			}
			return o, err
		})
		require.NoError(t, err)
		f := got.Found[0]
		require.Less(t, f.QPS, capacity*1.002, "noise takes no loss away")
		if f.QPS > 0.98*capacity {
			close++
		}
	}
	require.GreaterOrEqual(t, close, searches*19/20)
}

// A server that gets slower while it is searched is found as it is in the end: bounds that no longer hold are dropped.
func TestAContradictedBoundIsDropped(t *testing.T) {
	for _, c := range []struct{ before, after float64 }{{100_000, 80_000}, {100_000, 130_000}} {
		steps := 0
		got, err := Run(patient(100_000), func(rate float64, length time.Duration) (Outcome, error) {
			capacity := c.before
			if length == 300*time.Millisecond {
				capacity = c.after
			}
			steps++
			return server(sharp(capacity))(rate, length)
		})
		require.NoError(t, err)
		require.Len(t, got.Steps, steps)
		requireFound(t, got.Found[0], c.after*1.001, 0.025)
	}
}

func TestGeneratorIsTheLimit(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		most := rapid.Float64Range(10_000, 1e6).Draw(t, "most")
		got, err := Run(patient(most*rapid.Float64Range(0.2, 3).Draw(t, "guess")), func(rate float64, length time.Duration) (Outcome, error) {
			o, err := server(sharp(10*most))(min(rate, most), length)
			o.Limited = rate > most
			return o, err
		})
		require.NoError(t, err)
		for _, f := range got.Found {
			require.True(t, f.Limited, "%+v", f)
			// A step may lack a query, and what it sends is rounded, by half of one; rates are whole numbers.
			require.LessOrEqual(t, f.QPS, most/fullRate+1.5/(fullRate*usual(0).Long.Seconds())+1)
			require.GreaterOrEqual(t, f.QPS, most/1.026)
		}
	})
	c := patient(1e6)
	c.Most = 10_000.5
	got, err := Run(c, server(sharp(1e9)))
	require.NoError(t, err)
	require.Equal(t, record.Found{LossRatio: 0.001, QPS: 10_000, Limited: true}, got.Found[0])
}

// A generator that is late but sends all says as much of the server as one that is in time; what is lost then, is not
// held against the server.
func TestALateGenerator(t *testing.T) {
	late := func(rate float64, length time.Duration) (Outcome, error) {
		o, err := server(sharp(100_000))(rate, length)
		o.Limited = true
		return o, err
	}
	got, err := Run(patient(100_000), late)
	require.NoError(t, err)
	require.True(t, got.Found[0].Limited)
	got.Found[0].Limited = false
	requireFound(t, got.Found[0], 100_100, 0.025)
}

func TestNothingIsAnswered(t *testing.T) {
	got, err := Run(patient(50_000), server(func(float64) float64 { return 1 }))
	require.NoError(t, err)
	require.Equal(t, record.Found{LossRatio: 0.001, AtMost: 100}, got.Found[0])
	require.Less(t, len(got.Steps), 60)
}

// A budget that is over leaves what is known, marked.
func TestBudget(t *testing.T) {
	c := patient(100_000)
	for budget := time.Duration(0); budget < 8*time.Second; budget += 130 * time.Millisecond {
		c.Budget = budget
		got, err := Run(c, server(sharp(100_000)))
		require.NoError(t, err)
		var spent time.Duration
		for _, s := range got.Steps {
			spent += time.Duration(s.DurationS*float64(time.Second)) + c.Overhead
		}
		require.LessOrEqual(t, spent, budget)
		for _, f := range got.Found {
			require.LessOrEqual(t, f.QPS, 100_600.0)
			require.True(t, f.Unfinished || f.AtMost <= 1.025*f.QPS, "%v: %+v", budget, f)
		}
	}
}

// Steps that were disturbed are in the record, and say nothing.
func TestDisturbedSteps(t *testing.T) {
	n := 0
	got, err := Run(patient(100_000), func(rate float64, length time.Duration) (Outcome, error) {
		if n++; n%2 == 0 {
			return Outcome{Sent: 1, Disturbed: "steal"}, nil
		}
		return server(sharp(100_000))(rate, length)
	})
	require.NoError(t, err)
	requireFound(t, got.Found[0], 100_100, 0.025)
	require.Equal(t, "steal", got.Steps[1].Disturbed)
	require.Equal(t, got.Steps[1].OfferedQPS, got.Steps[2].OfferedQPS, "the same again")

	_, err = Run(usual(100_000), func(float64, time.Duration) (Outcome, error) { return Outcome{Disturbed: "always"}, nil })
	require.NoError(t, err, "the budget ends that")
}

func TestErrors(t *testing.T) {
	broken := errors.New("the server has ended")
	got, err := Run(usual(1000), func(rate float64, length time.Duration) (Outcome, error) {
		if rate < 1400 {
			return Outcome{}, broken
		}
		return server(sharp(1000))(rate, length)
	})
	require.ErrorIs(t, err, broken)
	require.ErrorContains(t, err, "offer ")
	require.Len(t, got.Steps, 1, "what was made is not lost")

	for name, edit := range map[string]func(*Config){
		"no loss":   func(c *Config) { c.Losses = nil },
		"rates":     func(c *Config) { c.Most = 1 },
		"no rate":   func(c *Config) { c.Least = math.NaN() },
		"widths":    func(c *Config) { c.Fine = 0.2 },
		"steps of ": func(c *Config) { c.Long = time.Millisecond },
	} {
		c := usual(1000)
		edit(&c)
		_, err := Run(c, nil)
		require.ErrorContains(t, err, "search: ", name)
	}
}
