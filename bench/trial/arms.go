package trial

import (
	"context"
	"fmt"
	"time"

	"supernode/bench/lab"
	"supernode/bench/plan"
	"supernode/bench/record"
)

var rulesets = map[plan.Arm]lab.Ruleset{
	plan.Off: lab.RulesPlain, plan.Control: lab.RulesPlain, plan.Burn: lab.RulesPlain, plan.Same: lab.RulesPlain,
	plan.On: lab.RulesStateful, plan.Notrack: lab.RulesNotrack,
	plan.Raised: lab.RulesStateful, plan.Filled: lab.RulesStateful,
}

// Run makes one trial: it puts the arm's ruleset in place, which empties the table, proves that tracking is as the arm
// says, fills the table with entries of others if the arm wants that, and measures.
func (r *Rig) Run(ctx context.Context, slot plan.Slot, load Load) (record.Trial, error) {
	t := record.Trial{Slot: slot}
	rules, ok := rulesets[slot.Arm]
	if !ok {
		return t, fmt.Errorf("arm %q has no ruleset", slot.Arm)
	}
	if err := r.lab.SetRules(rules, r.Port()); err != nil {
		return t, fmt.Errorf("set rules of arm %s: %w", slot.Arm, err)
	}
	var err error
	if t.Tracking, err = r.tracking(ctx); err != nil {
		return t, fmt.Errorf("prove whether arm %s tracks: %w", slot.Arm, err)
	}
	if t.Tracking != slot.Arm.Tracks() {
		return t, fmt.Errorf("arm %s: tracking is active: %v, which is not what the arm is; is the host's kernel given other rules for new namespaces?", slot.Arm, t.Tracking)
	}
	others, err := r.occupy(ctx, slot.Arm, load)
	if err != nil {
		return t, err
	}
	if err := r.Measure(ctx, &t, load); err != nil {
		return t, err
	}
	t.Conntrack.Others = others
	return t, checkEntries(&t)
}

// provingTimeout is how long the canary is tried again: on a machine that is busy elsewhere it may not get through.
const provingTimeout = 10 * time.Second

func (r *Rig) tracking(ctx context.Context) (active bool, err error) {
	for give := time.Now().Add(provingTimeout); ; {
		active, err = r.lab.TrackingActive()
		if err == nil || ctx.Err() != nil || time.Now().After(give) {
			return active, err
		}
	}
}

// raisedFill is how full the table is at the end of a trial of plan.Raised, as a share of its limit: from 95 % on the
// kernel evicts entries that are not assured, and so measured ones, even while there is room (nf_conntrack_core.c,
// gc_worker and nf_conntrack_max95).
const raisedFill = 0.94

// fillings is how often a table is filled, at most, until none but the entries of others are in it: packets of the trial before
// that were on their way while the table was emptied, with the entry that they had made and not yet entered, enter it later.
const fillings = 4

// occupy fills the table for a trial, if its arm wants that, and returns how many entries it has then. Meanwhile the server's
// port is exempt: what the server asks on its own would leave entries that are not assured, and the kernel would evict them
// for queries that a full table should refuse.
func (r *Rig) occupy(ctx context.Context, arm plan.Arm, load Load) (others uint64, err error) {
	if !arm.Fills() {
		return 0, nil
	}
	var table lab.ConntrackState
	for range fillings {
		if err := r.lab.SetRules(lab.RulesNotrack, r.Port()); err != nil {
			return 0, err
		}
		if table, err = r.lab.Conntrack(); err != nil {
			return 0, err
		}
		left := spare(arm, table.Limit, load)
		added, err := r.lab.FillTable(ctx, left)
		if err != nil {
			return 0, err
		}
		if uint64(added)+left >= table.Limit { // else strays have the other places, and would be evicted
			break
		}
	}
	if table, err = r.lab.Conntrack(); err != nil {
		return 0, err
	}
	if arm == plan.Filled && table.Count < table.Limit {
		return 0, fmt.Errorf("arm %s: the table holds %d entries of %d at most after it was filled: is its limit being changed?",
			arm, table.Count, table.Limit)
	}
	return table.Count, r.lab.SwitchRules(rulesets[arm], r.Port())
}

// spare is how many entries of a table are left to a trial.
func spare(arm plan.Arm, limit uint64, load Load) uint64 {
	if arm == plan.Filled {
		return 0
	}
	flows := float64(load.Flows)
	if load.Rate > 0 && load.Prime == nil { // a short trial does not come round to all of its flows
		flows = min(flows, load.Rate*(load.WarmupS+load.DurationS))
	}
	return min(limit, limit-uint64(raisedFill*float64(limit))+uint64(flows))
}

// checkEntries compares what tracking left behind with what the arm stands for: entries for the queries' flows under
// On and Raised, if any were answered, those of others alone under Filled, and none at all where nothing is tracked. Under
// Notrack other flows than the measured ones may leave some, a socket that the server opens beside its port for example;
// too many are for the report to judge.
func checkEntries(t *record.Trial) error {
	n, others := t.Conntrack.Entries, t.Conntrack.Others
	bad := false
	switch t.Arm {
	case plan.Notrack:
		if n > 0 {
			t.Warnings = append(t.Warnings, "the exempted port's server has flows that are tracked")
		}
	case plan.On, plan.Raised:
		bad = t.Answered > 0 && n <= others
	case plan.Filled:
		bad = others == 0 || n < others
	default:
		bad = n > 0
	}
	if bad {
		return fmt.Errorf("arm %s: %d conntrack entries after the trial, %d of others before it, which is not what the arm is", t.Arm, n, others)
	}
	return nil
}
