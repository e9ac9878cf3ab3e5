package record

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// Open opens a file of records in a run's directory. Of records that are kept, rather than being made, there may be only
// a compressed one, NAME.gz: that is read instead.
func Open(dir, name string) (io.ReadCloser, error) {
	path := filepath.Join(dir, name)
	plain, err := os.Open(path)
	if err == nil {
		return plain, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	packed, errPacked := os.Open(path + ".gz")
	if errPacked != nil {
		return nil, err // of the file that everybody expects
	}
	unpacked, err := gzip.NewReader(packed)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("unpack %s: %w", packed.Name(), err), packed.Close())
	}
	return both{unpacked, packed}, nil
}

// FromDir reads the file of records called name in a run's directory.
func FromDir[R any](dir, name string, read func(io.Reader) (R, error)) (r R, err error) {
	file, err := Open(dir, name)
	if err != nil {
		return r, fmt.Errorf("open records: %w", err)
	}
	defer file.Close()
	if r, err = read(file); err != nil {
		return r, fmt.Errorf("read %s: %w", filepath.Join(dir, name), err)
	}
	return r, nil
}

// both closes a decompressor and what it reads.
type both struct {
	*gzip.Reader
	file io.Closer
}

func (b both) Close() error { return errors.Join(b.Reader.Close(), b.file.Close()) }
