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

// Disturbed says what the machine did to a trial so that it cannot count, or "".
func Disturbed(t record.Trial) string { return disturbed(t, stat.DefaultRules()) }

func disturbed(t record.Trial, rules stat.Rules) string {
	switch {
	case stolen(t, rules):
		return "the host took CPU time away (steal)"
	case t.Throttle.Periods > 0:
		return "a CPU quota stopped the processes (cgroup throttling)"
	case t.Throttle.Thermal > 0:
		return "a processor slowed down from heat (thermal throttling)"
	case rules.Changed(t.Throttle.KHzBefore, t.Throttle.KHzAfter):
		return "the clock frequency of the server's core changed"
	}
	return ""
}

func stolen(t record.Trial, rules stat.Rules) bool {
	var stolen, total int64
	for _, c := range t.CPU {
		if c.ID < 0 { // a whole host, judged by itself: among many idle processors of the other it would not show
			if rules.Stolen(float64(c.Steal), float64(c.Total())) {
				return true
			}
			continue
		}
		stolen += c.Steal
		total += c.Total()
	}
	return rules.Stolen(float64(stolen), float64(total))
}

// exclude says why a trial must not count, or "". Every rule looks only at whether the trial measured
// what it was meant to, never at how its figures turned out.
func exclude(t record.Trial, rules stat.Rules) string {
	switch {
	case t.Duration <= 0 || t.Arm.Answers() && t.Answered == 0:
		return "nothing was answered"
	case t.Load.Sent == 0 && !t.Arm.Answers():
		return "nothing was asked"
	}
	if why := disturbed(t, rules); why != "" && t.Search == nil { // a search has left out such steps itself
		return why
	}
	if t.ServerNAPI <= 0 && !t.ReceiveByTicks {
		return "the receive thread of the server's interface did no work, so receive work was charged elsewhere"
	}
	return unproven(t)
}

// unproven says what contradicts the trial's arm in the kernel's own evidence, or "".
func unproven(t record.Trial) string {
	switch t.Arm {
	case plan.Off, plan.Control, plan.Burn, plan.Same:
		if t.Tracking {
			return "connection tracking was active in an arm that must not track"
		}
	case plan.On, plan.Raised, plan.Filled:
		if !t.Tracking || t.Conntrack.Entries == 0 {
			return "connection tracking was not active in an arm that must track"
		}
		if t.Arm == plan.Filled && t.Conntrack.Drop == 0 {
			return "the table was to be full, and dropped nothing"
		}
	case plan.Notrack:
		// The canary itself and a stray packet may be tracked; the measured flows may not.
		if !t.Tracking {
			return "connection tracking was not active in an arm that must track"
		}
		flows := t.Flows.Flows()
		if t.Flows == plan.Fresh {
			flows = t.Load.Flows
		}
		if t.Conntrack.Entries > 16+uint64(flows)/100 {
			return "the server's port was tracked in the arm that exempts it"
		}
	}
	return ""
}
