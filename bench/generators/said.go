package generators

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
)

// Parse reads what a generator has said of its trial.
func Parse(generator, said string) (Counts, error) {
	if generator == Dnsperf {
		return parseDnsperf(said)
	}
	var result struct {
		Sent       uint64 `json:"sent"`
		Answered   uint64 `json:"answered"`
		IntervalNS int64  `json:"interval_ns"`
		Refused    struct {
			Permission  uint64 `json:"permission"`
			NoBuffer    uint64 `json:"no_buffer"`
			Unreachable uint64 `json:"unreachable"`
			Other       uint64 `json:"other"`
		} `json:"send_errors"`
	}
	if err := json.Unmarshal([]byte(said), &result); err != nil {
		return Counts{}, fmt.Errorf("read loadgen's result: %w", err)
	}
	if result.IntervalNS <= 0 {
		return Counts{}, fmt.Errorf("read loadgen's result: an interval of %d ns", result.IntervalNS)
	}
	r := result.Refused
	refused := r.Permission + r.NoBuffer + r.Unreachable + r.Other
	if refused > result.Sent {
		return Counts{}, fmt.Errorf("read loadgen's result: %d queries sent, and %d of them refused", result.Sent, refused)
	}
	return Counts{result.Sent - refused, result.Answered, float64(result.IntervalNS) / 1e9}, nil
}

// dnsperfSaid finds the figures of dnsperf 2.x, which prints the same words in all its versions.
var dnsperfSaid = regexp.MustCompile(`(?s)Queries sent: +(\d+)\n.*Queries completed: +(\d+) .*Run time \(s\): +([0-9.]+)\n`)

func parseDnsperf(said string) (c Counts, err error) {
	found := dnsperfSaid.FindStringSubmatch(said)
	if found == nil {
		return c, fmt.Errorf("read dnsperf's result: no statistics in what it printed: %.200q", said)
	}
	if c.Sent, err = strconv.ParseUint(found[1], 10, 64); err != nil {
		return c, fmt.Errorf("read dnsperf's result: %w", err)
	}
	if c.Answered, err = strconv.ParseUint(found[2], 10, 64); err != nil {
		return c, fmt.Errorf("read dnsperf's result: %w", err)
	}
	if c.Interval, err = strconv.ParseFloat(found[3], 64); err != nil || c.Interval <= 0 {
		return c, fmt.Errorf("read dnsperf's result: a run time of %s s", found[3])
	}
	return c, nil
}

// marks are what loadgen says against its own result, as it names it. An open loop at floodRate is asked for more than it
// can send, so that being behind its schedule is what the measure wants, and no mark.
func (t Trial) marks() (marks []string) {
	if t.Generator == Dnsperf {
		return nil
	}
	var result struct {
		LimitedBy   []string `json:"generator_limited_by"`
		Interrupted bool     `json:"interrupted"`
	}
	if json.Unmarshal([]byte(t.Said), &result) != nil {
		return nil
	}
	for _, by := range result.LimitedBy {
		if t.Measure == Answers || by != "rate" && by != "slip" {
			marks = append(marks, "generator_limited by "+by)
		}
	}
	if result.Interrupted {
		marks = append(marks, "interrupted")
	}
	return marks
}
