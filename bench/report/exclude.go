package report

import (
	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/stat"
)

// Excluded says why a trial cannot count, or "" if it does.
func Excluded(t record.Trial) string { return exclude(t, stat.DefaultRules()) }

// Stolen says whether the host took so much CPU time away during a trial that it cannot count.
func Stolen(t record.Trial) bool { return stolen(t, stat.DefaultRules()) }

func stolen(t record.Trial, rules stat.Rules) bool {
	var stolen, total int64
	for _, c := range t.CPU {
		stolen += c.Steal
		total += c.Total()
	}
	return rules.Stolen(float64(stolen), float64(total))
}

// exclude says why a trial must not count, or "". Every rule looks only at whether the trial measured
// what it was meant to, never at how its figures turned out.
func exclude(t record.Trial, rules stat.Rules) string {
	switch {
	case t.Duration <= 0 || t.Answered == 0:
		return "nothing was answered"
	case stolen(t, rules):
		return "the host took CPU time away (steal)"
	case t.ServerNAPI <= 0:
		return "the receive thread of the server's interface did no work, so receive work was charged elsewhere"
	}
	return unproven(t)
}

// unproven says what contradicts the trial's arm in the kernel's own evidence, or "".
func unproven(t record.Trial) string {
	switch t.Arm {
	case plan.Off, plan.Control, plan.Burn:
		if t.Tracking {
			return "connection tracking was active in an arm that must not track"
		}
	case plan.On:
		if !t.Tracking || t.Conntrack.Entries == 0 {
			return "connection tracking was not active in an arm that must track"
		}
	case plan.Notrack:
		// The canary itself and a stray packet may be tracked; the measured flows may not.
		if !t.Tracking {
			return "connection tracking was not active in an arm that must track"
		}
		if t.Conntrack.Entries > 16+uint64(t.Flows.Flows())/100 {
			return "the server's port was tracked in the arm that exempts it"
		}
	}
	return ""
}
