//go:build !linux

package main

import (
	"context"
	"errors"
	"io"

	"supernode/internal/conntrack"
)

// everywhere returns errors.ErrUnsupported: network namespaces are Linux's.
func (o *doctorOptions) everywhere(context.Context, io.Writer) (conntrack.Verdict, error) {
	return conntrack.Unknown, errors.ErrUnsupported
}
