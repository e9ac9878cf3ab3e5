package regress

import "fmt"

// Gate is a figure that is compared hard.
type Gate struct {
	Name   string  `json:"name"`
	Unit   string  `json:"unit"`
	Base   float64 `json:"base"`
	Head   float64 `json:"head"`
	Limit  string  `json:"limit"` // in words
	Broken bool    `json:"broken"`
	Why    string  `json:"why,omitempty"` // of one that is broken
}

// Growth is a gate that breaks when head exceeds base by more than a share of it. A share of 0 allows no growth at all,
// where base is 0 too.
func Growth(name, unit string, base, head, share float64) Gate {
	g := Gate{Name: name, Unit: unit, Base: base, Head: head, Limit: "no more than base"}
	if share > 0 {
		g.Limit = fmt.Sprintf("at most %.3g %% more than base", 100*share)
	}
	if g.Broken = head > base*(1+share)+rounding(base); g.Broken {
		g.Why = fmt.Sprintf("%s: %.6g %s, where base has %.6g (%s)", name, head, unit, base, g.Limit)
	}
	return g
}

// Slack is a gate that breaks when head exceeds base by more than an amount.
func Slack(name, unit string, base, head, amount float64) Gate {
	g := Gate{Name: name, Unit: unit, Base: base, Head: head, Limit: fmt.Sprintf("at most %.3g more than base", amount)}
	if g.Broken = head > base+amount+rounding(base); g.Broken {
		g.Why = fmt.Sprintf("%s: %.6g %s, where base has %.6g (%s)", name, head, unit, base, g.Limit)
	}
	return g
}

// rounding is what figures of equal meaning may differ by that went through a few digits of text.
func rounding(base float64) float64 { return 1e-6 * base }
