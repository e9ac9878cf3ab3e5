package regress

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"time"
)

// Names of the files that a run leaves.
const (
	ResultFile   = "regress.json"
	MarkdownFile = "report.md"
	BaseFile     = "base.txt" // in-process figures, for benchstat base.txt head.txt
	HeadFile     = "head.txt"
)

// Exit statuses of a run. 2 is a mistake on the command line.
const (
	ExitRegression   = 1
	ExitInconclusive = 3
)

// Programs are what an end-to-end comparison runs. Base, Head and Null are commands; {addr} in them stands for ADDR:PORT.
type Programs struct {
	Base, Head string
	Null       string // a server that does nothing but answer; "" if there is none for this payload
	Loadgen    string // path of the generator that asks both
	Payload    string // what the generator is to send (loadgen --payload); "" for the DHT's queries

	LoadgenBase, LoadgenHead string // generators to compare by what a query costs them; "" leaves that out
}

// Side is one of the two revisions.
type Side struct {
	Name   string `json:"name"`
	Commit string `json:"commit,omitempty"`
	Title  string `json:"title,omitempty"`
}

// Result is all that a run found.
type Result struct {
	Started     time.Time  `json:"started"`
	Seconds     float64    `json:"seconds"`
	Command     []string   `json:"command"`
	Machine     string     `json:"machine"`
	Base        Side       `json:"base"`
	Head        Side       `json:"head"`
	Rules       Rules      `json:"rules"`
	Advisory    bool       `json:"advisory"` // timing does not decide the exit status
	Verdict     Verdict    `json:"verdict"`
	Gates       []Gate     `json:"gates"`
	Decisions   []Decision `json:"decisions"`
	NotCompared []string   `json:"not_compared,omitempty"` // and why
	Incomplete  bool       `json:"incomplete,omitempty"`   // something that was to be compared failed; NotCompared says what
	Notes       []string   `json:"notes,omitempty"`
	Series      []Series   `json:"series"` // all that was measured, from which the decisions follow
}

// Judge sets the verdict of the run: the worst there is. A run without timings, or in which something failed that was to be
// compared, is inconclusive: gates alone do not rule a slow-down out.
func (r *Result) Judge() {
	found := map[Verdict]bool{}
	for _, d := range r.Decisions {
		found[d.Verdict] = true
	}
	switch {
	case len(r.Broken()) > 0 || found[Regression]:
		r.Verdict = Regression
	case found[Inconclusive] || r.Incomplete || len(r.Decisions) == 0:
		r.Verdict = Inconclusive
	case found[Improvement]:
		r.Verdict = Improvement
	default:
		r.Verdict = NoRegression
	}
}

// Broken are the gates that are.
func (r *Result) Broken() (broken []Gate) {
	for _, g := range r.Gates {
		if g.Broken {
			broken = append(broken, g)
		}
	}
	return broken
}

// With are the decisions of a verdict.
func (r *Result) With(v Verdict) (some []Decision) {
	for _, d := range r.Decisions {
		if d.Verdict == v {
			some = append(some, d)
		}
	}
	return some
}

// ExitStatus is 0, ExitRegression or ExitInconclusive. An advisory run fails for gates only.
func (r *Result) ExitStatus() int {
	switch {
	case len(r.Broken()) > 0:
		return ExitRegression
	case r.Advisory:
		return 0
	case r.Verdict == Regression:
		return ExitRegression
	case r.Verdict == Inconclusive:
		return ExitInconclusive
	}
	return 0
}

// Sentence is the result in one line.
func (r *Result) Sentence() string {
	var parts []string
	add := func(n int, what string) {
		switch {
		case n == 1:
			parts = append(parts, "1 "+what)
		case n > 1:
			parts = append(parts, fmt.Sprintf("%d %ss", n, what))
		}
	}
	add(len(r.Broken()), "broken gate")
	add(len(r.With(Regression)), "regression")
	add(len(r.With(Improvement)), "improvement")
	if n := len(r.With(Inconclusive)); n > 0 {
		parts = append(parts, fmt.Sprintf("%d of %d timings inconclusive", n, len(r.Decisions)))
	}
	if r.Incomplete {
		parts = append(parts, "something could not be compared")
	}
	if len(parts) == 0 {
		parts = []string{fmt.Sprintf("%d gates hold, %d timings", len(r.Gates), len(r.Decisions))}
	}
	return fmt.Sprintf("%s: %s", r.Verdict, strings.Join(parts, ", "))
}

// WriteJSON writes the result, indented.
func (r *Result) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
