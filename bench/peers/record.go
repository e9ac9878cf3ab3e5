package peers

import (
	"encoding/json"
	"fmt"
	"io"
	"time"

	"supernode/bench/record"
)

// FileName is what the file of records is called inside a run's directory.
const FileName = "peers.jsonl"

// Version of the file's format. It changes when a reader of the old version would misread the new one.
const Version = 1

// Header says what was to be measured, where and with what. It is the first line.
type Header struct {
	Started  time.Time         `json:"started"`
	Command  []string          `json:"command"`  // the harness as it was called
	Versions map[string]string `json:"versions"` // what each program says of itself
	Spec     Spec              `json:"spec"`
	Servers  []Server          `json:"servers"`
	Missing  []string          `json:"missing,omitempty"` // servers that are not installed
	Trials   int               `json:"trials"`            // planned
	Machine  record.Machine    `json:"machine"`
	Notes    []string          `json:"notes,omitempty"`
}

// State is a server's, when its tables have been filled and again at the end of the run.
type State struct {
	Server string `json:"server"`
	When   Moment `json:"when"`
	RSS    uint64 `json:"rss_bytes,omitempty"`

	// What it says of itself; nil of a server that says nothing.
	Nodes      *uint64 `json:"nodes,omitempty"`
	Infohashes *uint64 `json:"infohashes,omitempty"`
	Limited    *uint64 `json:"rate_limited,omitempty"` // queries that its rate limiter has dropped so far

	Announced *uint64 `json:"announced,omitempty"` // info_hashes that it has been told of, when Filled: those it is asked for

	Capacity float64 `json:"answers_per_s,omitempty"` // of the mix, when Filled: what rates of open loops follow from
	Problem  string  `json:"problem,omitempty"`       // why it is not measured, or no more
}

// Moment is when a State was taken.
type Moment string

// The moments.
const (
	Filled Moment = "filled"
	End    Moment = "end"
	Lost   Moment = "lost" // it has ended, or cannot be measured
)

// Trial is one server measured once at one thing.
type Trial struct {
	Server  string  `json:"server"`
	Measure Measure `json:"measure"`
	Block   int     `json:"block"`
	Problem string  `json:"problem,omitempty"` // why there is no result
	record.Trial
}

// Run is a file of records read back.
type Run struct {
	Header   Header
	States   []State
	Trials   []Trial  // in the order they were run
	Warnings []string // what the reader had to forgive
}

type headerLine struct {
	Record  string `json:"record"`
	Version int    `json:"version"`
	Header
}

type stateLine struct {
	Record string `json:"record"`
	State
}

type trialLine struct {
	Record string `json:"record"`
	Trial
}

// Writer appends to a file of records. It is for one goroutine.
type Writer struct {
	out    io.Writer
	Trials int // appended so far, those without a result included
}

// NewWriter begins a file of records.
func NewWriter(out io.Writer, h Header) (*Writer, error) {
	w := &Writer{out: out}
	return w, w.line(headerLine{"header", Version, h})
}

// Trial appends a trial.
func (w *Writer) Trial(t Trial) error {
	w.Trials++
	return w.line(trialLine{"trial", t})
}

// State appends a state.
func (w *Writer) State(s State) error { return w.line(stateLine{"state", s}) }

func (w *Writer) line(v any) error {
	line, err := json.Marshal(v)
	if err == nil {
		_, err = w.out.Write(append(line, '\n'))
	}
	if err != nil {
		return fmt.Errorf("append record: %w", err)
	}
	return nil
}

// ReadDir reads the records in a run's directory, which may be compressed: see [record.Open].
func ReadDir(dir string) (Run, error) { return record.FromDir(dir, FileName, Read) }

// Read reads records until the end of r. A last line that is cut short is left out: see [record.EachLine].
func Read(r io.Reader) (run Run, err error) {
	torn, err := record.EachLine(r, true, func(line []byte, number int) error { return run.add(line, number == 1) })
	if err != nil {
		return Run{}, err
	}
	if torn > 0 {
		run.Warnings = append(run.Warnings, fmt.Sprintf("line %d of the records is cut short: the run was stopped while it was written", torn))
	}
	return run, nil
}

func (run *Run) add(line []byte, first bool) error {
	var kind struct {
		Record  string `json:"record"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(line, &kind); err != nil {
		return fmt.Errorf("not a record: %w", err)
	}
	switch {
	case first != (kind.Record == "header"):
		return fmt.Errorf("record %q where it does not belong: the first line, and no other, is the header", kind.Record)
	case first && kind.Version != Version:
		return fmt.Errorf("format version %d, this program reads version %d: use the bench that wrote it", kind.Version, Version)
	case first:
		return json.Unmarshal(line, &run.Header)
	case kind.Record == "state":
		run.States = append(run.States, State{})
		return json.Unmarshal(line, &run.States[len(run.States)-1])
	case kind.Record == "trial":
		run.Trials = append(run.Trials, Trial{})
		return json.Unmarshal(line, &run.Trials[len(run.Trials)-1])
	}
	return fmt.Errorf("unknown record %q", kind.Record)
}
