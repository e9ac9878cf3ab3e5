//go:build !linux

package conntrack

import "errors"

// Reader reads nothing: connection tracking is Linux's.
type Reader struct{}

// Open returns a Reader whose facts are all absent.
func Open() (*Reader, error) { return &Reader{}, nil }

// Read returns Facts with Present false.
func (*Reader) Read() (Facts, error) { return Facts{}, nil }

// Close does nothing.
func (*Reader) Close() error { return nil }

// Read returns Facts with Present false.
func Read() (Facts, error) { return Facts{}, nil }

// Flush returns errors.ErrUnsupported.
func Flush() error { return errors.ErrUnsupported }
