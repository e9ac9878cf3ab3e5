package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// outputs are where the result of a single run goes. Files are made before the run: one that cannot be
// written should not cost a run.
type outputs struct {
	hdr     *hdrFile // may be nil
	json    *os.File // may be nil
	summary bool     // for people on stdout, or else JSON
	stdout  io.Writer
}

func openOutputs(c *config, stdout io.Writer) (o *outputs, err error) {
	o = &outputs{summary: c.json != "-", stdout: stdout}
	if c.hdr != "" {
		if o.hdr, err = createHDR(c.hdr, time.Now()); err != nil {
			return nil, err
		}
	}
	if c.json != "" && c.json != "-" {
		if o.json, err = os.Create(c.json); err != nil {
			return nil, fmt.Errorf("--json: %w", err)
		}
	}
	return o, nil
}

// write writes r everywhere, and closes the files.
func (o *outputs) write(r *result) error {
	var errs []error
	if o.hdr != nil {
		errs = append(errs, o.hdr.finish(r.latency))
	}
	if o.json != nil {
		if err := errors.Join(writeJSON(o.json, r), o.json.Close()); err != nil {
			errs = append(errs, fmt.Errorf("--json: %w", err))
		}
	}
	write := writeJSON
	if o.summary {
		write = func(w io.Writer, r *result) error { return r.summary(w) }
	}
	if err := write(o.stdout, r); err != nil {
		errs = append(errs, fmt.Errorf("write to standard output: %w", err))
	}
	return errors.Join(errs...)
}

func writeJSON(w io.Writer, r *result) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
