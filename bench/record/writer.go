package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// A line of the file is one of these with its kind in front.
type headerLine struct {
	Record  string `json:"record"`
	Version int    `json:"version"`
	Header
}

type trialLine struct {
	Record string `json:"record"`
	Trial
}

const (
	kindHeader = "header"
	kindTrial  = "trial"
)

// Writer appends trials to a file of records. It is for one goroutine.
type Writer struct {
	file *os.File
}

// Create makes the file of records in dir, and dir if it is missing, and writes the header. Records
// that are already there are never overwritten: they may be hours of work.
func Create(dir string, h Header) (*Writer, error) {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("create directory for records: %w", err)
	}
	path := filepath.Join(dir, FileName)
	file, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("create %s: it holds an earlier run: choose another directory: %w", path, fs.ErrExist)
	}
	if err != nil {
		return nil, fmt.Errorf("create records: %w", err)
	}
	w := &Writer{file: file}
	if err := errors.Join(w.line(headerLine{kindHeader, Version, h}), syncDir(dir)); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return w, nil
}

// Append adds one trial. When it returns nil the trial is on disk.
func (w *Writer) Append(t Trial) error { return w.line(trialLine{kindTrial, t}) }

// Close closes the file.
func (w *Writer) Close() error {
	if err := w.file.Close(); err != nil {
		return fmt.Errorf("close records: %w", err)
	}
	return nil
}

func (w *Writer) line(v any) error {
	line, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("encode record: %w", err)
	}
	if _, err := w.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("append record: %w", err)
	}
	if err := w.file.Sync(); err != nil {
		return fmt.Errorf("sync records: %w", err)
	}
	return nil
}

// syncDir makes the new file's name as durable as its contents.
func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("open directory to sync it: %w", err)
	}
	if err := errors.Join(d.Sync(), d.Close()); err != nil {
		return fmt.Errorf("sync directory %s: %w", dir, err)
	}
	return nil
}
