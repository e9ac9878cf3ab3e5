package regress

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"supernode/bench/stat"
)

// Entry is a run as histories keep it: one JSON object on one line.
type Entry struct {
	Time    time.Time `json:"time"`
	Base    Side      `json:"base"`
	Head    Side      `json:"head"`
	Machine string    `json:"machine"`
	Verdict Verdict   `json:"verdict"`
	Broken  []string  `json:"broken_gates,omitempty"`
	Metrics []Point   `json:"metrics"`
}

// Point is one timing of a run.
type Point struct {
	Name    string        `json:"name"`
	Unit    string        `json:"unit"`
	Base    float64       `json:"base"`
	Head    float64       `json:"head"`
	Ratio   stat.Estimate `json:"ratio"` // above 1 is worse
	Verdict Verdict       `json:"verdict"`
}

// Entry makes the history's line of the run.
func (r *Result) Entry() Entry {
	e := Entry{Time: r.Started.UTC(), Base: r.Base, Head: r.Head, Machine: r.Machine, Verdict: r.Verdict, Metrics: []Point{}}
	for _, g := range r.Broken() {
		e.Broken = append(e.Broken, g.Name+" "+g.Unit)
	}
	for _, d := range r.Decisions {
		e.Metrics = append(e.Metrics, Point{d.Name, d.Unit, d.Base, d.Head, d.Ratio, d.Verdict})
	}
	return e
}

// AppendHistory adds the run to a file, which it makes if need be, in one write: runs that end together do not mix lines.
func (r *Result) AppendHistory(path string) error {
	line, err := json.Marshal(r.Entry())
	if err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("write history: %w", err)
	}
	_, err = f.Write(append(line, '\n'))
	if err := errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("write history %s: %w", path, err)
	}
	return nil
}

// ReadHistory reads the lines of a history. name is what errors call it.
func ReadHistory(in io.Reader, name string) (entries []Entry, err error) {
	lines := bufio.NewReader(in)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if len(line) > 0 {
			var e Entry
			if err := json.Unmarshal(line, &e); err != nil {
				return nil, fmt.Errorf("%s:%d: not a line that bench regress --history writes: %w", name, n, err)
			}
			entries = append(entries, e)
		}
		if err == io.EOF {
			return entries, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
}
