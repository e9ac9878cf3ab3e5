//go:build !linux

package pin

import "errors"

// Realtime is for Linux only.
func Realtime() (restore func(), err error) { return nil, errors.ErrUnsupported }
