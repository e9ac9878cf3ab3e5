package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// outputFiles are the flags that name where a result goes besides the summary; "-" is standard output, instead of it.
type outputFiles struct{ json, csv, benchfmt string }

// byFlag lists them.
func (f *outputFiles) byFlag() []struct{ flag, path string } {
	return []struct{ flag, path string }{{"json", f.json}, {"csv", f.csv}, {"benchfmt", f.benchfmt}}
}

// oneOnStdout refuses to write two results into each other.
func oneOnStdout(f outputFiles) error {
	first := ""
	for _, o := range f.byFlag() {
		switch {
		case o.path != "-":
		case first != "":
			return fmt.Errorf("--%s -: --%s goes to standard output already, give one of them a file", o.flag, first)
		default:
			first = o.flag
		}
	}
	return nil
}

// outputs are where the result of a single run goes. Files are made before the run: one that cannot be
// written should not cost a run.
type outputs struct {
	hdr     *hdrFile  // may be nil
	rows    *csvTable // may be nil
	sinks   []sink
	summary io.Writer // for people; nil if something else goes to standard output
}

// sink is a file, or standard output, and what is written to it in the end.
type sink struct {
	flag  string
	out   io.Writer
	close func() error
	write func(io.Writer, *result) error
}

// openOutputs makes the files. warmup is the trial's.
func openOutputs(f outputFiles, hdr string, warmup time.Duration, stdout io.Writer) (o *outputs, err error) {
	o = &outputs{summary: stdout}
	if hdr != "" {
		if o.hdr, err = createHDR(hdr, time.Now()); err != nil {
			return nil, err
		}
	}
	write := map[string]func(io.Writer, *result) error{
		"json": writeJSON, "benchfmt": writeBenchmark,
		"csv": func(_ io.Writer, r *result) error { return o.rows.finish(r) },
	}
	for _, file := range f.byFlag() {
		if file.path == "" {
			continue
		}
		s := sink{flag: file.flag, out: stdout, close: func() error { return nil }, write: write[file.flag]}
		if file.path == "-" {
			o.summary = nil
		} else {
			made, err := os.Create(file.path)
			if err != nil {
				return nil, fmt.Errorf("--%s: %w", file.flag, err)
			}
			s.out, s.close = made, made.Close
		}
		if file.flag == "csv" {
			o.rows = newCSV(s.out, warmup)
		}
		o.sinks = append(o.sinks, s)
	}
	return o, nil
}

// observers are those of the outputs that want to see a trial second by second.
func (o *outputs) observers() (all []observer) {
	if o.hdr != nil {
		all = append(all, o.hdr)
	}
	if o.rows != nil {
		all = append(all, o.rows)
	}
	return all
}

// write writes r everywhere, and closes the files.
func (o *outputs) write(r *result) error {
	var errs []error
	if o.hdr != nil {
		errs = append(errs, o.hdr.finish(r.latency))
	}
	for _, s := range o.sinks {
		if err := errors.Join(s.write(s.out, r), s.close()); err != nil {
			errs = append(errs, fmt.Errorf("--%s: %w", s.flag, err))
		}
	}
	if o.summary != nil {
		if err := r.summary(o.summary); err != nil {
			errs = append(errs, fmt.Errorf("write to standard output: %w", err))
		}
	}
	return errors.Join(errs...)
}

func writeJSON(w io.Writer, r *result) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(r)
}
