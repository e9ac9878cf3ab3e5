package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
)

// summary writes the result for people.
func (r *result) summary(w io.Writer) error {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	loop := fmt.Sprintf("offered %s", perSecond(r.OfferedQPS))
	if r.Loop == "closed" {
		loop = fmt.Sprintf("closed loop, %d outstanding", r.Window)
	}
	row("target", "%s, %s, %s flows, measured for %.1f s", r.Target, loop, thousands(float64(r.Flows)), float64(r.IntervalNS)/1e9)
	row("sent", "%s, %s", count(r.Sent), perSecond(r.SendQPS))
	row("answered", "%s, %s", count(r.Answered), perSecond(r.AnswerQPS))
	row("lost", "%s, %.3f %%", count(r.Lost), 100*r.LossRatio)
	row("oddities", "%s late, %s duplicate, %s malformed", count(r.Late), count(r.Duplicate), count(r.Malformed))
	row("errors", "%s", errorList(r.Errors))
	q := r.LatencyUS
	row("latency", "p50 %s, p90 %s, p99 %s, p99.9 %s, p99.99 %s, max %s µs",
		thousands(q.P50), thousands(q.P90), thousands(q.P99), thousands(q.P99_9), thousands(q.P99_99), thousands(q.Max))
	for _, name := range r.methodNames() {
		c := r.Mix[name]
		row(name, "%s sent, %s answered%s", count(c.Sent), count(c.Answered), r.Replies[name].words(c.Answered))
	}
	if r.Payload == "dht" {
		row("served", "%s queries of the target", count(r.Served))
	}
	if r.Loop == "open" {
		row("slip", "p99 %s, max %s µs", thousands(r.SlipUS.P99), thousands(r.SlipUS.Max))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if r.Interrupted {
		b.WriteString("interrupted: the measured interval is shorter than asked for\n")
	}
	for _, by := range r.LimitedBy {
		fmt.Fprintf(&b, "generator limited: %s\n", limitText[by])
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// methodNames is the keys of Mix in the order they are shown.
func (r *result) methodNames() (names []string) {
	for _, m := range mixMethods {
		if _, ok := r.Mix[m.String()]; ok {
			names = append(names, m.String())
		}
	}
	if names == nil {
		return slices.Collect(maps.Keys(r.Mix)) // another payload: just one
	}
	return names
}

// words says what the replies were like, behind how many they were.
func (c replyCount) words(replies uint64) string {
	if replies == 0 {
		return ""
	}
	text := fmt.Sprintf(", medians %d bytes", c.BytesP50)
	if c.NodesP50 > 0 {
		text += fmt.Sprintf(", %d nodes", c.NodesP50)
	}
	if c.PeersP50 > 0 {
		text += fmt.Sprintf(", %d peers", c.PeersP50)
	}
	if c.Wrong > 0 {
		text += fmt.Sprintf(", %s wrong", count(c.Wrong))
	}
	return text
}

// limitText explains the members of generator_limited_by.
var limitText = map[string]string{
	"rate":  "it could not send at the rate offered, lower --rate or give it a faster core",
	"slip":  "one query in a hundred left more than 1 ms late, latencies include that",
	"busy":  "its thread was never idle, the target may be faster than this",
	"drops": "this machine dropped queries or answers of its own (send_errors, receive_drops), they count as lost",
}

func count(n uint64) string {
	if n < 10 {
		return fmt.Sprint(n)
	}
	return thousands(float64(n))
}

// errorList is "none", or "203: 12, 204: 1", the most frequent first.
func errorList(byCode map[int64]uint64) string {
	if len(byCode) == 0 {
		return "none"
	}
	order := slices.SortedFunc(maps.Keys(byCode), func(a, b int64) int {
		return cmp.Or(cmp.Compare(byCode[b], byCode[a]), cmp.Compare(a, b))
	})
	parts := make([]string, len(order))
	for i, code := range order {
		parts[i] = fmt.Sprintf("%d: %s", code, count(byCode[code]))
	}
	return strings.Join(parts, ", ")
}
