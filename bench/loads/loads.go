package loads

import (
	"fmt"
	"io"
	"slices"
	"text/tabwriter"

	"supernode/bench/record"
	"supernode/bench/report"
	"supernode/bench/stat"
)

// Trial is one server at one step. At rest there is no generator, and Load is empty.
type Trial struct {
	Server string `json:"server"`
	Step   string `json:"step"`
	Place  int    `json:"place"` // of the step among all, from 0: one may come twice
	Block  int    `json:"block"`
	// Wakeups is how often the server's threads went to sleep, and so were woken, in the interval.
	Wakeups uint64 `json:"wakeups"`
	Problem string `json:"problem,omitempty"` // why there is no result
	record.Trial
}

func (t Trial) seconds() float64 { return float64(t.Duration) / 1e9 }

// AnswersPerS is the rate of answers within the measured interval.
func (t Trial) AnswersPerS() float64 { return float64(t.Answered) / t.seconds() }

// Core is the share of its core that the server's own threads used, Side with its interface's receive work.
func (t Trial) Core() float64 { return float64(t.Trial.Server) / float64(t.Duration) }
func (t Trial) Side() float64 { return float64(t.Trial.Server+t.ServerNAPI) / float64(t.Duration) }

// WakeupsPerS is how often a second the server's threads were woken.
func (t Trial) WakeupsPerS() float64 { return float64(t.Wakeups) / t.seconds() }

// Line is what a run says of one server at one step, as medians over the blocks.
type Line struct {
	Server  string        `json:"server"`
	Step    string        `json:"step"`
	Offered stat.Estimate `json:"offered_per_s"` // what the generator did send
	Answers stat.Estimate `json:"answers_per_s"`
	Core    stat.Estimate `json:"server_core"`      // share of a core, the server's threads
	Side    stat.Estimate `json:"server_side_core"` // the same with its interface's receive work
	Wakeups stat.Estimate `json:"wakeups_per_s"`
	P50     stat.Estimate `json:"p50_us"`
	P99     stat.Estimate `json:"p99_us"`
	P999    stat.Estimate `json:"p99_9_us"`

	// Answers per second over the same server's at the step max of the same block.
	OfBest stat.Estimate `json:"share_of_max"`
	// Against the first server of the run at the same step, in pairs within blocks; of the first itself, nothing.
	AnswersRatio stat.Estimate `json:"answers_ratio"`
	CoreRatio    stat.Estimate `json:"server_core_ratio"`
	AddedP99     stat.Estimate `json:"added_p99_us"`
	P999Ratio    stat.Estimate `json:"p99_9_ratio"`
}

// Summarize makes a line for each step and server, in the order they are given, that has trials.
func Summarize(servers []string, steps []Step, trials []Trial) (lines []Line) {
	best := slices.Index(steps, Step{Best: true})
	for place, step := range steps {
		for _, server := range servers {
			own := of(trials, server, place)
			if len(own) == 0 {
				continue
			}
			line := describe(own)
			line.Server, line.Step = server, step.String()
			line.OfBest = rules.Ratio(pairs(of(trials, server, best), own, Trial.AnswersPerS))
			if first := of(trials, servers[0], place); server != servers[0] {
				line.AnswersRatio = rules.Ratio(pairs(first, own, Trial.AnswersPerS))
				line.CoreRatio = rules.Ratio(pairs(first, own, Trial.Core))
				line.AddedP99 = rules.Difference(pairs(first, own, p99))
				line.P999Ratio = rules.Ratio(pairs(first, own, p999))
			}
			lines = append(lines, line)
		}
	}
	return lines
}

var rules = stat.DefaultRules().Bootstrap()

func p99(t Trial) float64  { return t.Load.Latency.P99 }
func p999(t Trial) float64 { return t.Load.Latency.P999 }

func describe(own []Trial) Line {
	median := func(of func(Trial) float64) stat.Estimate {
		xs := make([]float64, len(own))
		for i, t := range own {
			xs[i] = of(t)
		}
		return rules.Median(xs)
	}
	return Line{
		Offered: median(func(t Trial) float64 { return t.Load.SendQPS }),
		Answers: median(Trial.AnswersPerS),
		Core:    median(Trial.Core), Side: median(Trial.Side), Wakeups: median(Trial.WakeupsPerS),
		P50: median(func(t Trial) float64 { return t.Load.Latency.P50 }), P99: median(p99), P999: median(p999),
	}
}

func of(trials []Trial, server string, place int) (own []Trial) {
	for _, t := range trials {
		if t.Server == server && t.Place == place && t.Duration > 0 && !report.Stolen(t.Trial) {
			own = append(own, t)
		}
	}
	return own
}

// pairs matches trials of the same block.
func pairs(base, arm []Trial, of func(Trial) float64) (ps []stat.Pair) {
	for _, b := range base {
		for _, a := range arm {
			if a.Block == b.Block {
				ps = append(ps, stat.Pair{Base: of(b), Arm: of(a)})
			}
		}
	}
	return ps
}

// Table prints the lines for a person.
func Table(w io.Writer, lines []Line) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "load\tserver\toffered/s\tanswers/s\tof max [interval]\tcore\twith receive\twakeups/s\tp50 µs\tp99 µs\tp99.9 µs\t")
	for _, l := range lines {
		fmt.Fprintf(t, "%s\t%s\t%.0f\t%.0f\t%s\t%.2f %%\t%.2f %%\t%.0f\t%.0f\t%.0f\t%.0f\t\n", l.Step, l.Server, l.Offered.Median, l.Answers.Median,
			interval("%.2f", l.OfBest), 100*l.Core.Median, 100*l.Side.Median, l.Wakeups.Median, l.P50.Median, l.P99.Median, l.P999.Median)
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprint(w, "\nagainst the first server, in pairs within blocks [interval]:\n")
	t = tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "load\tserver\tanswers\tcore\tp99 µs more\tp99.9\t")
	for _, l := range lines {
		if l.CoreRatio.N > 0 {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t\n", l.Step, l.Server, interval("%.3f×", l.AnswersRatio),
				interval("%.3f×", l.CoreRatio), interval("%+.0f", l.AddedP99), interval("%.2f×", l.P999Ratio))
		}
	}
	return t.Flush()
}

func interval(format string, e stat.Estimate) string {
	if e.N == 0 {
		return "-"
	}
	if !e.Bounded() {
		return fmt.Sprintf(format, e.Median)
	}
	return fmt.Sprintf(format+" ["+format+", "+format+"]", e.Median, e.Lo, e.Hi)
}
