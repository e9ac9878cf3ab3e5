package report

import (
	"fmt"
	"maps"
	"slices"

	"supernode/bench/record"
	"supernode/bench/stat"
)

// maxOthers is the share of a core from which on a trial shared it with something that does not belong to the lab.
const maxOthers = 0.05

// elsewhere is the share of the busier one of the lab's cores that went to something else than the server, the generator and
// their interfaces' receive work. Servers that wait for their turn are something else.
func elsewhere(t record.Trial, m record.Machine) (share float64) {
	for _, c := range t.CPU {
		own := t.Client + t.ClientNAPI
		if c.ID == m.ServerCPU {
			own = t.Server + t.ServerNAPI
		}
		if total := c.Total(); total > 0 {
			share = max(share, float64(c.Busy()-own)/float64(total))
		}
	}
	return share
}

// Company is the note on trials during which the machine was not the lab's alone; empty, if it was in all of them. They
// count: no server's turn is more likely to be disturbed than another's, and which trials would be left out hangs on a
// clock that ticks every 10 ms.
func Company(trials []record.Trial, m record.Machine) string {
	var shares []float64
	measured := 0
	for _, t := range trials {
		if len(t.CPU) == 0 {
			continue
		}
		measured++
		if share := elsewhere(t, m); share > maxOthers {
			shares = append(shares, share)
		}
	}
	if len(shares) == 0 {
		return ""
	}
	return fmt.Sprintf("the machine was busy: in %d of %s something else took more than %.0f %% of one of the lab's cores, in the median of these %.0f %%",
		len(shares), Plural(measured, "trial"), 100*maxOthers, 100*stat.Median(shares))
}

// Repeated makes notes of the warnings of trials, each with the number of trials that say so.
func Repeated(trials []record.Trial) (notes []string) {
	seen := map[string]int{}
	for _, t := range trials {
		for _, w := range t.Warnings {
			seen[w]++
		}
	}
	for _, w := range slices.Sorted(maps.Keys(seen)) {
		notes = append(notes, fmt.Sprintf("in %d of %s %s", seen[w], Plural(len(trials), "trial"), w))
	}
	return notes
}
