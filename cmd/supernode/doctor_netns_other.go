//go:build !linux

package main

import (
	"context"
	"errors"
	"io"
)

// everywhere returns errors.ErrUnsupported: network namespaces are Linux's.
func (o *doctorOptions) everywhere(context.Context, io.Writer) error { return errors.ErrUnsupported }
