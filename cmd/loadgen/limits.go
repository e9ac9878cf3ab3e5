package main

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// A result is generator_limited when it may say more about the generator than about the target: for one of
// these reasons, by the name that generator_limited_by gives it.
const (
	limitRate  = 0.99      // "rate": in an open loop, no more than this part of what was offered was sent
	limitSlip  = 1_000_000 // "slip": in an open loop, 1 % of the queries were sent later than this, in ns
	limitBusy  = 0.95      // "busy": in a closed loop, a thread ran, or waited for a processor, this part of the time
	limitDrops = 1e-4      // "drops": of queries or answers, this part was lost within the generator's own machine
)

// judge says whether the generator was the limit: of the whole, or of a part of its profile.
func (r *result) judge() {
	r.LimitedBy = []string{}
	limited := func(by string) {
		if r.Limited = true; !slices.Contains(r.LimitedBy, by) {
			r.LimitedBy = append(r.LimitedBy, by)
		}
	}
	if r.Loop == "open" {
		for _, by := range lateOrShort(r.Scheduled, r.Sent, r.slip) {
			limited(by)
		}
		for _, s := range r.Segments {
			for _, by := range s.LimitedBy {
				limited(by)
			}
		}
	} else if r.GeneratorBusy != nil && *r.GeneratorBusy >= limitBusy {
		limited("busy")
	}
	s := r.SendErrors
	refused := s.Permission + s.NoBuffer + s.Unreachable + s.Other
	if ratio(refused+r.ReceiveDrops, r.Sent) > limitDrops {
		limited("drops")
	}
}

// lateOrShort says whether an open loop kept to its schedule. One query that is missing may be rounding.
func lateOrShort(scheduled, sent uint64, slip *hdrhistogram.Histogram) []string {
	by := []string{}
	if float64(sent) <= limitRate*float64(scheduled)-1 {
		by = append(by, "rate")
	}
	if slip.ValueAtQuantile(99) > limitSlip {
		by = append(by, "slip")
	}
	return by
}

// limitedWords marks a part of the result of which the generator was the limit.
func limitedWords(by []string) string {
	if len(by) == 0 {
		return ""
	}
	return ", generator limited (" + strings.Join(by, ", ") + ")"
}

// tellLimits says, a line each, why the generator was the limit, and what to do about it.
func tellLimits(w io.Writer, r *result) {
	for _, by := range r.LimitedBy {
		fmt.Fprintf(w, "generator limited: %s\n", limitText[by])
	}
}

// limitText explains the members of generator_limited_by.
var limitText = map[string]string{
	"rate": "it could not send at the rate offered: lower it, or give it more --threads, or faster processors",
	"slip": "one query in a hundred left more than 1 ms late, and latencies include that: " +
		"lower the rate, or give it more --threads, or processors of its own (--cpu)",
	"busy": "a thread was never idle, the target may be faster than this: give it more --threads",
	"drops": "this machine dropped queries or answers of its own (send_errors, receive_drops), and they count as lost: " +
		"lower the rate, or see its firewall, routes and net.core.rmem_max",
}
