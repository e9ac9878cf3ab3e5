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
	row("target", "%s, %s, %s, measured for %.1f s", r.Target, r.offer(), r.origin(), float64(r.IntervalNS)/1e9)
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
	r.parts(row)
	if err := t.Flush(); err != nil {
		return err
	}
	if r.Interrupted {
		b.WriteString("interrupted: the measured interval is shorter than asked for\n")
	}
	tellLimits(&b, r)
	_, err := io.WriteString(w, b.String())
	return err
}

// offer says what was offered.
func (r *result) offer() string {
	if r.Loop == "closed" {
		return fmt.Sprintf("closed loop, %d outstanding", r.Window)
	}
	text := "offered " + perSecond(r.OfferedQPS)
	if r.Arrivals == arrivePoisson {
		text += " at random"
	}
	if r.Profile != "" {
		text += " on average"
	}
	return text
}

// origin says where from.
func (r *result) origin() string {
	text := count(uint64(r.Flows)) + " flows"
	if r.Threads > 1 {
		text += fmt.Sprintf(" of %d threads", r.Threads)
	}
	if len(r.Generators) > 1 {
		text += fmt.Sprintf(" of %d generators", len(r.Generators))
	}
	return text
}

// parts has a row for each part of a profile, and each of several generators.
func (r *result) parts(row func(name, format string, args ...any)) {
	for _, s := range r.Segments {
		row(s.Rates, "answered %s, lost %.3f %%, p50 %s, p99 %s µs%s", perSecond(s.AnswerQPS), 100*s.LossRatio,
			thousands(s.LatencyUS.P50), thousands(s.LatencyUS.P99), limitedWords(s.LimitedBy))
	}
	if len(r.Generators) < 2 {
		return
	}
	for _, g := range r.Generators {
		row(g.File, "answered %s, p50 %s, p99 %s µs%s", perSecond(g.AnswerQPS), thousands(g.P50), thousands(g.P99),
			limitedWords(g.LimitedBy))
	}
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
