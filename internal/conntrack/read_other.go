//go:build !linux

package conntrack

import (
	"context"
	"errors"
	"time"
)

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

// Observer observes nothing.
type Observer struct{}

// NewObserver returns errors.ErrUnsupported.
func NewObserver(uint16) (*Observer, error) { return nil, errors.ErrUnsupported }

// Observe returns errors.ErrUnsupported.
func (*Observer) Observe(context.Context, time.Duration) (Observation, error) {
	return Observation{}, errors.ErrUnsupported
}

// Close does nothing.
func (*Observer) Close() error { return nil }

// Probe returns errors.ErrUnsupported.
func Probe(uint16) (Activity, error) { return Activity{Active: CannotSay}, errors.ErrUnsupported }

// Rules returns errors.ErrUnsupported.
func Rules(uint16) ([]Rule, error) { return nil, errors.ErrUnsupported }
