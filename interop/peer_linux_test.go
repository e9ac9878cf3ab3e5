package interop

import (
	"context"
	"net/netip"
	"os/exec"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/interop/internal/adapter"
)

// peer is a running client.
type peer struct {
	*stream[adapter.Event]
	addr      netip.Addr
	connected []adapter.Event
}

func startPeer(t *testing.T, h *host, command []string, nodes cluster, dir string, readOnly bool, role ...string) *peer {
	t.Helper()
	args := slices.Concat(command[1:], role, []string{
		"--listen", netip.AddrPortFrom(h.addr, dhtPort).String(), "--dir", dir,
	})
	for _, n := range nodes {
		args = append(args, "--node", n.addr.String())
	}
	if readOnly {
		args = append(args, "--read-only")
	}
	return &peer{stream: read[adapter.Event](h.start(t, exec.Command(command[0], args...))), addr: h.addr}
}

// await reads events up to the one that is named, and keeps the connections it hears of.
func (p *peer) await(ctx context.Context, t *testing.T, name string) adapter.Event {
	t.Helper()
	for {
		event := p.next(ctx, t, "say "+name)
		if event.Event == adapter.Connected && event.Addr.Addr().Unmap() != p.addr { // it may find and call itself
			t.Logf("%s: connected to %v, source: %s", p.name, event.Addr, event.Source)
			p.connected = append(p.connected, event)
		}
		if event.Event == name {
			return event
		}
	}
}

// checkConnections holds the connections a peer told of against the only way in which it can have come to them: by
// looking up the address of other in the DHT. If both are read-only, the one who came second must have looked up the
// first; otherwise the first may look again meanwhile, and call, and not every client says where it had the address.
func (p *peer) checkConnections(t *testing.T, other *host, bothReadOnly bool) {
	t.Helper()
	require.NotEmpty(t, p.connected, "the %s is connected to nobody", p.name)
	fromDHT := 0
	for _, c := range p.connected {
		require.Equal(t, other.addr, c.Addr.Addr().Unmap(), "the %s is connected to a stranger", p.name)
		if c.Source == adapter.FromDHT {
			fromDHT++
		}
		if bothReadOnly {
			require.NotEqual(t, adapter.Incoming, c.Source, "the %s was found by %s instead of finding it", p.name, other.name)
		}
	}
	if bothReadOnly {
		require.Positive(t, fromDHT, "the %s has no peer from the DHT: %+v", p.name, p.connected)
	}
}
