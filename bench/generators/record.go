package generators

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
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

func (w *Writer) append(l line) error {
	text, err := json.Marshal(l)
	if err == nil {
		_, err = w.out.Write(append(text, '\n'))
	}
	if err != nil {
		return fmt.Errorf("append record: %w", err)
	}
	return nil
}

// Run is a file of records read back.
type Run struct {
	Header Header
	Trials []Trial
	Cut    bool // the last line is not whole: the run was stopped while it was written
}

// ReadDir reads the records in a run's directory.
func ReadDir(dir string) (Run, error) {
	path := filepath.Join(dir, FileName)
	text, err := os.ReadFile(path)
	if err != nil {
		return Run{}, fmt.Errorf("read records: %w", err)
	}
	run, err := Read(text)
	if err != nil {
		return Run{}, fmt.Errorf("read %s: %w", path, err)
	}
	return run, nil
}

// Read reads records.
func Read(text []byte) (run Run, err error) {
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	run.Cut = len(whole) < len(text)
	number := 0
	for raw := range bytes.Lines(whole) {
		var l line
		if err := json.Unmarshal(raw, &l); err != nil {
			return run, fmt.Errorf("line %d: %w", number+1, err)
		}
		switch {
		case (number == 0) != (l.Header != nil) || (number > 0) != (l.Trial != nil):
			return run, fmt.Errorf("line %d: the first line, and no other, is the header", number+1)
		case l.Header != nil:
			run.Header = *l.Header
		default:
			run.Trials = append(run.Trials, *l.Trial)
		}
		number++
	}
	switch {
	case number == 0:
		return run, errors.New("the file is empty: the run did not get as far as its header")
	case run.Header.Version != Version:
		return run, fmt.Errorf("format version %d, this program reads version %d: use the bench that wrote it", run.Header.Version, Version)
	}
	return run, nil
}
