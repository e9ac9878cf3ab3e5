package interop

import (
	"context"
	"encoding/json"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/interop/internal/adapter"
)

// library is a DHT library that a user is made of.
type library struct {
	name     string
	command  func(t *testing.T) []string // builds it if need be
	ipv4Only bool
	can      []string // beside announce, get_peers, put and get
	can4     []string // the same, over IPv4 only
}

var anacrolixDHT = library{
	name:    "anacrolix",
	command: program("anacrolixdht"),
	can:     []string{adapter.FindNode, adapter.Sample, adapter.Scrape},
}

var libtorrentDHT = library{
	name: "libtorrent",
	command: func(t *testing.T) []string {
		needLibtorrent(t)
		return []string{python, script(t, "libtorrent_dht.py")}
	},
	// It samples when it knows its own address, and believes nobody who tells it a private one, such as fd00::/8.
	can4: []string{adapter.Sample},
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
	*stream[adapter.Answer]
	library library
	addr    netip.Addr
	out     *json.Encoder
}

// startUser starts a library and returns when it is ready.
func startUser(ctx context.Context, t *testing.T, h *host, l library, n *node) *user {
	t.Helper()
	command := l.command(t)
	cmd := exec.Command(command[0], slices.Concat(command[1:], []string{
		"--node", n.addr.String(), "--listen", netip.AddrPortFrom(h.addr, dhtPort).String(),
	})...)
	stdin, err := cmd.StdinPipe()
	require.NoError(t, err)
	u := &user{read[adapter.Answer](h.start(t, cmd)), l, h.addr, json.NewEncoder(stdin)}
	require.Zero(t, u.next(ctx, t, "be ready"))
	return u
}

// answerWithin is how long a user may take. It takes milliseconds.
const answerWithin = 30 * time.Second

// ask has the user do something, which must succeed.
func (u *user) ask(ctx context.Context, t *testing.T, q adapter.Request) adapter.Answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, answerWithin)
	defer cancel()
	require.NoError(t, u.out.Encode(q), "ask %s to %s", u.name, q.Do)
	answer := u.next(ctx, t, q.Do)
	require.Empty(t, answer.Error, "%s: %s", u.name, q.Do)
	return answer
}

// does says whether the user can do what not all can.
func (u *user) does(what string) bool {
	return slices.Contains(u.library.can, what) || u.addr.Is4() && slices.Contains(u.library.can4, what)
}
