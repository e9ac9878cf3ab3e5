package generators

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"

	"supernode/bench/record"
)

// FileName is what the records of a run are called: a JSON object a line, the header first, then the trials.
const FileName = "generators.jsonl"

// Version of the records' format.
const Version = 1

// Header describes a run.
type Header struct {
	Version  int               `json:"version"`
	Started  time.Time         `json:"started"`
	Command  []string          `json:"command"`
	Versions map[string]string `json:"versions"`
	Spec     Spec              `json:"spec"`
	Missing  []string          `json:"missing,omitempty"` // generators that are not installed
	Machine  record.Machine    `json:"machine"`
	Notes    []string          `json:"notes,omitempty"`
}

// Trial is one generator asked one thing once. Times are ns; those on a core are of the whole run of the program.
type Trial struct {
	Generator string    `json:"generator"`
	Measure   Measure   `json:"measure"`
	Block     int       `json:"block"`
	Problem   string    `json:"problem,omitempty"` // why it does not count
	Start     time.Time `json:"start"`
	Elapsed   int64     `json:"elapsed_ns"` // from the start of the program to its end

	Counts
	GeneratorNS   int64        `json:"generator_ns"`      // its process
	GeneratorNAPI int64        `json:"generator_napi_ns"` // the receive work of its interface
	Server        int64        `json:"server_ns"`
	ServerNAPI    int64        `json:"server_napi_ns"`
	RingLosses    uint64       `json:"ring_losses"` // queries that found the ring of the server's interface full
	CPU           []record.CPU `json:"cpu"`
	Said          string       `json:"said"` // the generator's own result, as it wrote it
}

// Counts is what a generator says that it did.
type Counts struct {
	Sent     uint64  `json:"sent"` // what its kernel refused is left out, what the link dropped is not
	Answered uint64  `json:"answered"`
	Interval float64 `json:"interval_s"` // in which it sent
}

// line is one line of the records: one of its fields.
type line struct {
	Header *Header `json:"header,omitempty"`
	Trial  *Trial  `json:"trial,omitempty"`
}

// Writer appends to a file of records. It is for one goroutine.
type Writer struct {
	out    io.Writer
	Trials int // appended so far
}

// NewWriter begins a file of records.
func NewWriter(out io.Writer, h Header) (*Writer, error) {
	w := &Writer{out: out}
	h.Version = Version
	return w, w.append(line{Header: &h})
}

// Trial appends a trial.
func (w *Writer) Trial(t Trial) error {
	w.Trials++
	return w.append(line{Trial: &t})
}

// append returns when the line is on disk, if out is a file.
func (w *Writer) append(l line) error {
	text, err := json.Marshal(l)
	if err == nil {
		_, err = w.out.Write(append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("append record: %w", err)
	}
	if file, ok := w.out.(interface{ Sync() error }); ok {
		if err := file.Sync(); err != nil {
			return fmt.Errorf("sync records: %w", err)
		}
	}
	return nil
}

// Run is a file of records read back.
type Run struct {
	Header Header
	Trials []Trial
	Cut    bool // the last line is not whole: the run was stopped while it was written
}

// ReadDir reads the records in a run's directory, which may be compressed: see [record.Open].
func ReadDir(dir string) (Run, error) { return record.FromDir(dir, FileName, Read) }

// Read reads records until the end of r. A last line that is cut short is left out: see [record.EachLine].
func Read(r io.Reader) (run Run, err error) {
	torn, err := record.EachLine(r, true, func(text []byte, number int) error { return run.add(text, number == 1) })
	if err != nil {
		return Run{}, err
	}
	run.Cut = torn > 0
	return run, nil
}

func (run *Run) add(text []byte, first bool) error {
	var l line
	if err := json.Unmarshal(text, &l); err != nil {
		return fmt.Errorf("not a record: %w", err)
	}
	switch {
	case first != (l.Header != nil) || first == (l.Trial != nil):
		return errors.New("the first line, and no other, is the header")
	case first && l.Header.Version != Version:
		return fmt.Errorf("format version %d, this program reads version %d: use the bench that wrote it", l.Header.Version, Version)
	case first:
		run.Header = *l.Header
	default:
		run.Trials = append(run.Trials, *l.Trial)
	}
	return nil
}
