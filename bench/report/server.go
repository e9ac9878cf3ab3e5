package report

import (
	"fmt"

	"supernode/bench/plan"
)

// serverNotes say what a server was asked that is not asked the DHT's queries, and where not all flows could ask before a trial.
func (d *data) serverNotes(s Summary) []string {
	var notes []string
	if s.Payload != "" {
		at := ""
		if d.run.Header.ReplyAt != nil {
			at = fmt.Sprintf(", which its replies have at offset %d", *d.run.Header.ReplyAt)
		}
		notes = append(notes, fmt.Sprintf("the server was asked `%s`: the same datagram each time, but for a number%s", s.Payload, at))
	}
	for _, flows := range d.spec.Patterns {
		all, had := d.spec.FlowsOf(flows), s.arm(plan.On, flows).Conntrack.Entries
		if flows != plan.Fresh && 0 < had && had < uint64(all)/2 {
			notes = append(notes, fmt.Sprintf("of the %s flows only %s had an entry when a trial of `on` ended (a slow server, a small --rate or a small table): its queries make entries, too",
				Group(float64(all)), Group(float64(had))))
		}
	}
	return notes
}
