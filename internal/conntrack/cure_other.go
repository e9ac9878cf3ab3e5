//go:build !linux

package conntrack

import (
	"context"
	"errors"
	"time"
)

// A Hold is an exemption for the life of a process, which only Linux has.
type Hold struct{ Owned bool }

// Close does nothing.
func (*Hold) Close() error { return nil }

// HoldExempt returns errors.ErrUnsupported.
func HoldExempt(uint16) (*Hold, error) { return nil, errors.ErrUnsupported }

// ExemptPort returns errors.ErrUnsupported.
func ExemptPort(uint16) error { return errors.ErrUnsupported }

// UnexemptPort returns errors.ErrUnsupported.
func UnexemptPort(uint16) (bool, error) { return false, errors.ErrUnsupported }

// PortExempt returns errors.ErrUnsupported.
func PortExempt(uint16) (bool, error) { return false, errors.ErrUnsupported }

// Held returns errors.ErrUnsupported.
func Held(uint16) (bool, error) { return false, errors.ErrUnsupported }

// Cure returns errors.ErrUnsupported.
func Cure(context.Context, uint16, time.Duration) (CureReport, error) {
	return CureReport{}, errors.ErrUnsupported
}

// Prove returns errors.ErrUnsupported.
func Prove(uint16) (Activity, error) { return Activity{Active: CannotSay}, errors.ErrUnsupported }

// ReadEntries returns errors.ErrUnsupported.
func ReadEntries(context.Context, uint16) (*Entries, error) { return nil, errors.ErrUnsupported }

// FlushPort returns errors.ErrUnsupported.
func FlushPort(context.Context, uint16) (uint64, error) { return 0, errors.ErrUnsupported }
