package stat

import (
	"fmt"
	"math"
)

// Verdict is what may be said about an arm against its base.
type Verdict string

const (
	Slower       Verdict = "slower"
	Faster       Verdict = "faster"
	NoDifference Verdict = "no difference" // a difference large enough to matter is ruled out
	Inconclusive Verdict = "inconclusive"  // neither shown nor ruled out, or the run is not to be trusted
)

// Better says which way a quantity improves.
type Better int

const (
	Lower  Better = iota // CPU time, latency
	Higher               // answers per second
)

// MarshalText makes it "lower" or "higher".
func (b Better) MarshalText() ([]byte, error) {
	if b == Higher {
		return []byte("higher"), nil
	}
	return []byte("lower"), nil
}

// UnmarshalText reads what MarshalText made.
func (b *Better) UnmarshalText(text []byte) error {
	switch string(text) {
	case "lower":
		*b = Lower
	case "higher":
		*b = Higher
	default:
		return fmt.Errorf("read %q: must be lower or higher", text)
	}
	return nil
}

// Rules are fixed before the measurements are looked at, and printed in the report.
type Rules struct {
	Confidence     float64 `json:"confidence"`      // of every interval
	MinPairs       int     `json:"min_pairs"`       // fewer pairs than this prove nothing
	Control        float64 `json:"control"`         // the interval of any "no difference", and the control's beside it, stays within this share of 1
	ControlLatency float64 `json:"control_latency"` // the same for latency, which is noisier than CPU time
	ControlSearch  float64 `json:"control_search"`  // the same for the highest rate, which a search finds to a few per cent
	Steal          float64 `json:"steal"`           // a trial that lost more than this share of its CPU time to the host is left out
	Frequency      float64 `json:"frequency"`       // a trial during which the server's clock frequency changed by more than this share is left out
	Excluded       float64 `json:"excluded"`        // a run with more than this share of trials left out says nothing
	Saturated      float64 `json:"saturated"`       // the server limits a closed loop only if its core was at least this busy
}

// DefaultRules are the rules of every report.
func DefaultRules() Rules {
	return Rules{
		Confidence:     0.95,
		MinPairs:       5, // an interval from fewer covers less than 88 %, however it is made
		Control:        0.04,
		ControlLatency: 0.10,
		ControlSearch:  0.10,
		Steal:          maxSteal,
		Frequency:      0.10,
		Excluded:       0.10,
		Saturated:      0.90,
	}
}

// Bootstrap makes intervals as the rules ask for.
func (r Rules) Bootstrap() Bootstrap { return Bootstrap{Confidence: r.Confidence} }

// maxSteal is where stolen time begins to tell. Linux does not charge it to the thread that it was stolen from
// (CONFIG_PARAVIRT_TIME_ACCOUNTING), so that CPU time per query is not made dearer by it; but a core that was away has
// queues to work off, in larger and cheaper batches. On a shared 2-core VM, trials that lost up to a tenth had the same
// median as those that lost nothing, and those that lost more came out 4 % cheaper.
const maxSteal = 0.05

// Stolen reports whether a trial is to be left out because the hypervisor took the CPU away: stolen is
// the steal time and total all CPU time of the interval, on the CPUs used, in one unit.
func (r Rules) Stolen(stolen, total float64) bool { return stolen > r.Steal*total }

// Changed reports whether a trial is to be left out because the clock of the server's core ran at another frequency at
// its end than at its beginning. A machine that does not tell says 0.
func (r Rules) Changed(before, after uint64) bool {
	return before > 0 && after > 0 && math.Abs(float64(after)/float64(before)-1) > r.Frequency
}

// TooMany reports whether so many trials were left out that the run says nothing.
func (r Rules) TooMany(excluded, trials int) bool {
	return float64(excluded) > r.Excluded*float64(trials)
}

// CheckControl says why the baseline compared with itself, control/off, forbids any verdict, or "" if it does not.
//
// An interval that misses 1 means that the harness itself makes a difference. This happens to one
// honest run in twenty or thirty by chance: such a run has to be made again, not argued with.
// One that is merely wide forbids nothing by itself: it tells of few pairs or a restless machine, and is a hurdle that
// [Rules.Judge] has effects clear.
func (r Rules) CheckControl(ratio Estimate) string {
	switch {
	case ratio.N < r.MinPairs:
		return fmt.Sprintf("the control has %d pairs, at least %d are needed", ratio.N, r.MinPairs)
	case !ratio.Contains(1):
		return fmt.Sprintf("the control differs from the arm it repeats: ratio %.3f, interval %.3f to %.3f", ratio.Median, ratio.Lo, ratio.Hi)
	}
	return ""
}

// Judge says what may be said about ratio (arm/base), given the control's ratio of the same quantity,
// which has passed CheckControl. limit is Control or one of its like. The reason is empty when the verdict needs none.
//
//   - slower, faster: the interval misses 1, and the effect is larger than the largest the control's
//     interval allows for no effect at all.
//   - no difference: not so, and the whole interval lies within the limit, as does the control's.
//   - inconclusive: everything else.
func (r Rules) Judge(ratio, control Estimate, limit float64, better Better) (Verdict, string) {
	if ratio.N < r.MinPairs {
		return Inconclusive, fmt.Sprintf("%d pairs, at least %d are needed", ratio.N, r.MinPairs)
	}
	floor, narrow := reach(control), math.Log1p(limit)
	shown := !ratio.Contains(1)
	if shown && size(ratio) > floor {
		if (ratio.Median > 1) == (better == Lower) {
			return Slower, ""
		}
		return Faster, ""
	}
	switch {
	case max(reach(ratio), floor) <= narrow && shown:
		return NoDifference, "smaller than what the control shows"
	case max(reach(ratio), floor) <= narrow:
		return NoDifference, ""
	case shown:
		return Inconclusive, "the effect is smaller than what the control shows"
	case reach(ratio) <= narrow:
		return Inconclusive, fmt.Sprintf("the control's interval %.3f to %.3f is wider than ±%.0f %%", control.Lo, control.Hi, limit*100)
	}
	return Inconclusive, fmt.Sprintf("the interval includes 1 and is wider than ±%.0f %%", limit*100)
}

// Size is how large the effect of a ratio is in either direction, as a share: 0.04 when its median is 1.04 or 1/1.04.
func Size(ratio Estimate) float64 { return math.Expm1(size(ratio)) }

// size is the same as a logarithm.
func size(ratio Estimate) float64 { return math.Abs(math.Log(ratio.Median)) }

// Reach is the largest effect the interval of a ratio allows in either direction, as a share: 0.04
// when it ends at 1.04 or at 1/1.04.
func Reach(ratio Estimate) float64 { return math.Expm1(reach(ratio)) }

// reach is the same as a logarithm, where up and down measure alike.
func reach(ratio Estimate) float64 {
	return math.Max(math.Abs(math.Log(ratio.Lo)), math.Abs(math.Log(ratio.Hi)))
}
