package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/netip"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/dht"
	"supernode/internal/udp"
)

type opener = func([]netip.AddrPort, udp.Options) (udp.Transport, error)

// newTestWorker makes a worker on 127.0.0.1 that the test drives itself.
func newTestWorker(t testing.TB, open opener) *worker {
	t.Helper()
	transport, err := open([]netip.AddrPort{netip.MustParseAddrPort("127.0.0.1:0")},
		udp.Options{ReceiveBuffer: receiveBuffer, SendBuffer: sendBuffer})
	require.NoError(t, err)
	t.Cleanup(func() { transport.Close() })
	c := &config{listen: transport.Local(), options: options{batch: 64, maxNodes: dht.DefaultMaxNodes, maxPeers: dht.DefaultMaxPeers, maxItems: dht.DefaultMaxItems}}
	w, err := newWorker(transport, c)
	require.NoError(t, err)
	return w
}

var quiet = slog.New(slog.NewTextHandler(io.Discard, nil))

// TestNoIPv6: on a host without IPv6 the default listens on IPv4; what was asked for is asked for.
func TestNoIPv6(t *testing.T) {
	openers["without IPv6"] = func(listen []netip.AddrPort, o udp.Options) (udp.Transport, error) {
		for _, addr := range listen {
			if addr.Addr().Is6() {
				return nil, syscall.EAFNOSUPPORT
			}
		}
		return udp.OpenNet(listen, o)
	}
	defer delete(openers, "without IPv6")

	c := &config{options: options{io: "without IPv6", listen: []string{"127.0.0.1:0", "[::]:0"}}}
	require.NoError(t, c.settleListen())
	transports, err := openTransports(c, quiet)
	require.NoError(t, err)
	require.Len(t, transports, 1)
	require.Len(t, transports[0].Local(), 1)
	require.NoError(t, closeAll(transports))

	c.listen, c.listenChosen = nil, true
	require.NoError(t, c.settleListen())
	_, err = openTransports(c, quiet)
	require.ErrorIs(t, err, syscall.EAFNOSUPPORT)
	require.Equal(t, exitUsage, report(addressError(err), io.Discard))
}

// TestExitStatus: what the user can mend is told from what went wrong.
func TestExitStatus(t *testing.T) {
	require.Equal(t, exitOK, report(nil, io.Discard))
	require.Equal(t, exitFailed, report(errors.New("receive: oh"), io.Discard))
	require.Equal(t, exitFailed, report(addressError(syscall.EMFILE), io.Discard))
	require.Equal(t, exitUsage, report(errors.Join(addressError(syscall.EACCES), io.EOF), io.Discard))
	require.Equal(t, exitFailed, report(guarded(func() error { panic("a bug") }, quiet), io.Discard))
	var said strings.Builder
	require.Equal(t, exitFailed, report(fmt.Errorf("look: %w", context.Canceled), &said))
	require.Equal(t, "supernode: interrupted\n", said.String())
}
