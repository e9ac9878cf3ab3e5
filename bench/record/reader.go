package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// Run is a run's records read back.
type Run struct {
	Header   Header
	Trials   []Trial  // in the order they were run
	Curves   []Curve  // of a whole directory only, in the order they were made
	Warnings []string // what the reader had to forgive
}

// ReadDir reads the records in a run's directory, and the curves if there are any. Each file may be compressed: see [Open].
func ReadDir(dir string) (Run, error) {
	run, err := FromDir(dir, FileName, Read)
	if err != nil {
		return Run{}, err
	}
	var warnings []string
	run.Curves, warnings, err = ReadCurves(dir)
	run.Warnings = append(run.Warnings, warnings...)
	return run, err
}

// Read reads records until the end of r. A last line that is cut short is left out with a warning: see [EachLine].
func Read(r io.Reader) (Run, error) {
	var run Run
	torn, err := EachLine(r, true, run.add)
	if err != nil {
		return Run{}, err
	}
	if torn > 0 {
		run.Warnings = append(run.Warnings,
			fmt.Sprintf("line %d is cut short: the run was stopped while it was written; it is left out", torn))
	}
	return run, nil
}

// add decodes one line. The kind and version are looked at before anything else, since the rest of a
// line of another version need not even decode.
func (run *Run) add(line []byte, number int) error {
	var kind struct {
		Record  string `json:"record"`
		Version int    `json:"version"`
	}
	if err := json.Unmarshal(line, &kind); err != nil {
		return fmt.Errorf("not a record: %w", err)
	}
	switch {
	case number == 1 && kind.Record != kindHeader:
		return fmt.Errorf("record %q where the header should be: this is not a file of the harness's records", kind.Record)
	case number == 1 && kind.Version != Version:
		return fmt.Errorf("format version %d, this program reads version %d: use the bench that wrote it", kind.Version, Version)
	case number == 1:
		return json.Unmarshal(line, &run.Header)
	case kind.Record != kindTrial:
		return fmt.Errorf("record %q where a trial should be", kind.Record)
	}
	var t Trial
	if err := json.Unmarshal(line, &t); err != nil {
		return fmt.Errorf("decode trial: %w", err)
	}
	if t.Arm == "" || t.Flows == "" || t.Measure == "" {
		return errors.New("a trial without its arm, flows or measure")
	}
	run.Trials = append(run.Trials, t)
	return nil
}
