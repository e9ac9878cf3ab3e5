package peers

import (
	"fmt"

	"supernode/bench/record"
	"supernode/bench/report"
	"supernode/bench/stat"
)

// maxOthers is the share of a core from which on a trial shared it with something that does not belong to the lab.
const maxOthers = 0.05

// others is the share of the busier one of the lab's cores that went to something else than the server, the generator and
// their interfaces' receive work. Servers that wait for their turn are something else.
func (t Trial) others(m record.Machine) (share float64) {
	for _, c := range t.CPU {
		own := t.Client + t.ClientNAPI
		if c.ID == m.ServerCPU {
			own = t.Trial.Server + t.ServerNAPI
		}
		if total := c.Total(); total > 0 {
			share = max(share, float64(c.Busy()-own)/float64(total))
		}
	}
	return share
}

// company is the note on trials during which the machine was not the lab's alone. They count: no server's turn is more
// likely to be disturbed than another's, and which trials would be left out hangs on a clock that ticks every 10 ms.
func company(run Run) (note string, ok bool) {
	var shares []float64
	measured := 0
	for _, t := range run.Trials {
		if len(t.CPU) == 0 {
			continue
		}
		measured++
		if share := t.others(run.Header.Machine); share > maxOthers {
			shares = append(shares, share)
		}
	}
	if len(shares) == 0 {
		return "", false
	}
	return fmt.Sprintf("the machine was busy: in %d of %s something else took more than %.0f %% of one of the lab's cores, in the median of these %.0f %%",
		len(shares), report.Plural(measured, "trial"), 100*maxOthers, 100*stat.Median(shares)), true
}
