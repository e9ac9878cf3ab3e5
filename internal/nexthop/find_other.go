//go:build !linux

package nexthop

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
)

// Find needs Linux.
func Find(_ context.Context, target netip.AddrPort) (Hop, error) {
	return Hop{}, fmt.Errorf("find the way to %v: %w on %s: use --io net", target.Addr(), errors.ErrUnsupported, runtime.GOOS)
}
