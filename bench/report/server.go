package report

import (
	"fmt"

	"supernode/bench/plan"
)

// serverNotes say what a server was asked that is not asked the DHT's queries, and when it was too slow to meet all flows.
func (d *data) serverNotes(s Summary) []string {
	var notes []string
	if s.Payload != "" {
		at := ""
		if d.run.Header.ReplyAt != nil {
			at = fmt.Sprintf(", which its replies have at offset %d", *d.run.Header.ReplyAt)
		}
		notes = append(notes, fmt.Sprintf("the server was asked `%s`: the same datagram each time, but for a number%s", s.Payload, at))
	}
	if d.spec.Fixed.Measure == 0 {
		return notes
	}
	for _, flows := range d.spec.Patterns {
		span := d.spec.Fixed.Warmup + d.spec.Fixed.Measure
		if reached := float64(d.spec.Rate) * span.Seconds(); reached < float64(flows.Flows())/2 && flows != plan.Fresh {
			notes = append(notes, fmt.Sprintf("at %s queries/s a trial is over when it has come to %s of the %s flows: with tracking, each query makes an entry",
				Group(float64(d.spec.Rate)), Group(reached), Group(float64(flows.Flows()))))
		}
	}
	return notes
}
