package interop

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"
)

// client is a BitTorrent client that can play a peer.
type client struct {
	name    string
	command func(t *testing.T) []string // builds it if need be
}

var anacrolix = client{
	name:    "anacrolix",
	command: func(t *testing.T) []string { return []string{build(t, ".", "./anacrolixpeer")} },
}

// python is the interpreter that Debian's packages install their modules for, which "python3" need not be.
const python = "/usr/bin/python3"

var libtorrent = client{
	name: "libtorrent",
	command: func(t *testing.T) []string {
		script, err := filepath.Abs("libtorrent_peer.py")
		require.NoError(t, err)
		return []string{python, script}
	},
}

func needLibtorrent(t *testing.T) {
	t.Helper()
	if err := exec.Command(python, "-c", "import libtorrent").Run(); err != nil {
		missing(t, "needs libtorrent for "+python+" (Debian: python3-libtorrent): run scripts/install-interop.sh")
	}
}

// peer is a running client.
type peer struct {
	*process
	events    *json.Decoder
	connected []event
}

// event is a line of a peer's standard output, see the package's documentation.
type event struct {
	Event    string         `json:"event"`
	InfoHash string         `json:"info_hash"`
	Addr     netip.AddrPort `json:"addr"`
	Source   string         `json:"source"`
}

func startPeer(t *testing.T, h *host, command []string, n *node, dir string, readOnly bool, role ...string) *peer {
	t.Helper()
	args := slices.Concat(command[1:], role, []string{
		"--node", n.addr.String(), "--listen", netip.AddrPortFrom(h.addr, dhtPort).String(), "--dir", dir,
	})
	if readOnly {
		args = append(args, "--read-only")
	}
	p := h.start(t, exec.Command(command[0], args...))
	return &peer{process: p, events: json.NewDecoder(p.stdout)}
}

// await reads events up to the one that is named, and keeps the connections it hears of.
func (p *peer) await(ctx context.Context, t *testing.T, name string) event {
	t.Helper()
	type result struct {
		event
		err error
	}
	for {
		next := make(chan result, 1)
		go func() { // ends with the process, which ends with the test
			var r result
			r.err = p.events.Decode(&r.event)
			next <- r
		}()
		select {
		case <-ctx.Done():
			t.Fatalf("waited in vain: the %s says %q: %v", p.name, name, context.Cause(ctx))
		case r := <-next:
			if errors.Is(r.err, io.EOF) {
				<-p.ended
				t.Fatalf("the %s ended before it said %q: %v", p.name, name, p.err)
			}
			require.NoError(t, r.err, "read what the %s says", p.name)
			if r.Event == "connected" {
				t.Logf("%s: connected to %v, source: %s", p.name, r.Addr, r.Source)
				p.connected = append(p.connected, r.event)
			}
			if r.Event == name {
				return r.event
			}
		}
	}
}

// checkConnections holds the connections a peer told of against the only way in which it can have come to them: by
// looking up the address of other in the DHT.
func (p *peer) checkConnections(t *testing.T, other *host) {
	t.Helper()
	fromDHT := 0
	for _, c := range p.connected {
		require.Equal(t, other.addr, c.Addr.Addr().Unmap(), "the %s is connected to a stranger", p.name)
		require.NotEqual(t, "incoming", c.Source, "the %s was found by %s instead of finding it", p.name, other.name)
		if c.Source == "dht" {
			fromDHT++
		}
	}
	require.Positive(t, fromDHT, "the %s has no peer from the DHT: %+v", p.name, p.connected)
}
