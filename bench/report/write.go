package report

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"supernode/bench/record"
)

// The files that Write makes beside the records.
const (
	SummaryFile = "summary.json"
	ReportFile  = "report.md"
	HTMLFile    = "report.html"
	BenchFile   = "bench.txt"
)

// Write makes the report of the run recorded in dir, in dir, replacing an earlier one. A reader of
// these files sees the old or the new one, never half of one.
func Write(dir string) (Summary, error) {
	run, err := record.ReadDir(dir)
	if err != nil {
		return Summary{}, err
	}
	s, err := Summarize(run)
	if err != nil {
		return Summary{}, err
	}
	return s, errors.Join(
		Replace(filepath.Join(dir, SummaryFile), s.WriteJSON),
		Replace(filepath.Join(dir, ReportFile), s.Markdown),
		Replace(filepath.Join(dir, HTMLFile), s.HTML),
		Replace(filepath.Join(dir, BenchFile), func(w io.Writer) error { return Bench(w, run) }),
	)
}

// JSON writes v for programs, and for people who look at what programs read.
func JSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return fmt.Errorf("write JSON: %w", err)
	}
	return nil
}

// Replace writes a file under another name and then gives it its own.
func Replace(path string, write func(io.Writer) error) error {
	file, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return fmt.Errorf("create %s: %w", path, err)
	}
	defer os.Remove(file.Name()) // fails, as it should, once the file has its own name
	if err := errors.Join(write(file), file.Chmod(0o644), file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", path, err)
	}
	if err := os.Rename(file.Name(), path); err != nil {
		return fmt.Errorf("replace %s: %w", path, err)
	}
	return nil
}
