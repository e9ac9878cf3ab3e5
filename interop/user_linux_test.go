package interop

import (
	"context"
	"encoding/json"
	"io"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/interop/internal/adapter"
)

// library is a DHT library that a user is made of.
type library struct {
	name     string
	command  func(t *testing.T) []string // builds it if need be
	ipv4Only bool
	can      []string // beside announce, get_peers, put and get
	asSeed   bool     // can announce as a seed (BEP 33)
}

var anacrolixDHT = library{
	name:    "anacrolix",
	command: program("anacrolixdht"),
	can:     []string{adapter.Sample, adapter.Scrape},
}

var libtorrentDHT = library{
	name: "libtorrent",
	command: func(t *testing.T) []string {
		needLibtorrent(t)
		return []string{python, script(t, "libtorrent_dht.py")}
	},
	can:    []string{adapter.Sample},
	asSeed: true,
}

var webtorrentDHT = library{
	name: "webtorrent",
	command: func(t *testing.T) []string {
		needProgram(t, "node", "nodejs")
		if modules, _ := filepath.Glob("npm/node_modules/bittorrent-dht"); len(modules) == 0 {
			missing(t, "needs bittorrent-dht in npm/node_modules: run scripts/install-interop.sh")
		}
		return []string{"node", script(t, "npm/dht.js")}
	},
	ipv4Only: true,
}

// user is a running library.
type user struct {
	*process
	library
	addr    netip.Addr
	out     *json.Encoder
	answers *json.Decoder
}

// startUser starts a library and returns when it is ready.
func startUser(ctx context.Context, t *testing.T, h *host, l library, n *node) *user {
	t.Helper()
	command := l.command(t)
	cmd := exec.Command(command[0], slices.Concat(command[1:], []string{
		"--node", n.addr.String(), "--listen", netip.AddrPortFrom(h.addr, dhtPort).String(),
	})...)
	stdin, writer := io.Pipe()
	cmd.Stdin = stdin
	p := h.start(t, cmd)
	t.Cleanup(func() { writer.Close() }) // before the process is ended: its end waits for that of its input
	u := &user{process: p, library: l, addr: h.addr, out: json.NewEncoder(writer), answers: json.NewDecoder(p.stdout)}
	require.Zero(t, decode[adapter.Answer](ctx, t, p, u.answers, "be ready"))
	return u
}

// ask has the user do something, which must succeed.
func (u *user) ask(ctx context.Context, t *testing.T, q adapter.Request) adapter.Answer {
	t.Helper()
	require.NoError(t, u.out.Encode(q), "ask %s to %s", u.process.name, q.Do)
	answer := decode[adapter.Answer](ctx, t, u.process, u.answers, q.Do)
	require.Empty(t, answer.Error, "%s: %s", u.process.name, q.Do)
	return answer
}

// does says whether the library can do what not all can.
func (l library) does(what string) bool { return slices.Contains(l.can, what) }
