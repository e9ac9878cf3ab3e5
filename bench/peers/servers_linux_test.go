package peers

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"net"
	"net/netip"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/dht/wire"
	"supernode/internal/apart"
)

var here = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// awaited is how long a server may take to start, and to answer.
const awaited = 20 * time.Second

// TestServersServe asks other people's servers for all that they are measured at. More announces than the usual
// limits allow show that these are lifted: libtorrent answers an address five times a second by default, with 8,000 bytes,
// and keeps 2,000 info_hashes; anacrolix sends 25 datagrams a second.
func TestServersServe(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	out, err := exec.CommandContext(t.Context(), "go", "build", "-o", dir+"/", "./anacrolix-server", "../../cmd/loadgen").CombinedOutput()
	require.NoError(t, err, "%s", out)
	loadgen := filepath.Join(dir, "loadgen")
	for name, program := range map[string]string{
		"anacrolix":  filepath.Join(dir, "anacrolix-server"),
		"libtorrent": "./libtorrent-server/main.py",
		"npm":        "./npm-server/main.js",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := startServer(t, program, pingQuery)
			c.ask(wire.Message{Method: wire.FindNode, Target: c.id(0)})
			const infoHashes = 2500
			for i := range infoHashes {
				r := c.ask(wire.Message{Method: wire.GetPeers, InfoHash: c.id(i)})
				require.NotEmpty(t, r.Token)
				require.Empty(t, r.Values)
				c.ask(wire.Message{Method: wire.AnnouncePeer, InfoHash: c.id(i), Token: bytes.Clone(r.Token), Port: int64(1 + i), Has: wire.HasPort})
			}
			for i := range infoHashes {
				r := c.ask(wire.Message{Method: wire.GetPeers, InfoHash: c.id(i)})
				require.Equal(t, []netip.AddrPort{netip.AddrPortFrom(here, uint16(1+i))}, slices.Collect(r.Peers()), "info_hash %d", i)
			}
			c.fill(loadgen)
		})
	}
	t.Run("opentracker", func(t *testing.T) {
		t.Parallel()
		c := startServer(t, "./opentracker-server/main.sh", func(seq uint32) (query, answer []byte) {
			query = binary.BigEndian.AppendUint64(nil, 0x41727101980) // BEP 15
			query = binary.BigEndian.AppendUint32(query, 0)
			return binary.BigEndian.AppendUint32(query, seq), binary.BigEndian.AppendUint32(make([]byte, 4), seq)
		})
		r := c.load(loadgen, "--payload", "bep15")
		require.Equal(t, reply{BytesP50: 16}, r.Replies["connect"])
	})
	t.Run("dnsmasq", func(t *testing.T) {
		t.Parallel()
		const question = "\x07example\x03org\x00\x00\x01\x00\x01" // RFC 1035: A, IN
		c := startServer(t, "./dnsmasq-server/main.sh", func(seq uint32) (query, answer []byte) {
			query = binary.BigEndian.AppendUint16(nil, uint16(seq))
			return append(query, "\x00\x00\x00\x01\x00\x00\x00\x00\x00\x00"+question...), query
		})
		r := c.load(loadgen, "--payload", "dns:example.org")
		require.Equal(t, reply{BytesP50: 12 + len(question) + 16}, r.Replies["dns"]) // header, question, an address
		require.Empty(t, r.Errors)
		r = c.load(loadgen, "--payload", "dns:example.net")
		const refused = 5
		require.Equal(t, map[int64]uint64{refused: r.Answered}, r.Errors)
		require.Equal(t, r.Answered, r.Replies["dns"].Wrong)
	})
}

// fill loads the server until it names as many nodes as it should to whom they asked for, with no reply wrong: then it
// has a table, of nodes that answered it, and what is measured is not the haste of one that knows nothing.
func (c *client) fill(loadgen string) {
	c.t.Helper()
	for end := time.Now().Add(awaited); ; {
		r := c.load(loadgen)
		full := r.Replies["find_node"].NodesP50 >= 8
		for _, method := range []string{"ping", "find_node", "get_peers", "announce_peer"} {
			got, ok := r.Replies[method]
			full = full && ok && got.Wrong == 0
		}
		if full {
			return
		}
		require.True(c.t, time.Now().Before(end), "at last: %+v", r)
	}
}

// loaded is what of loadgen's result is looked at.
type loaded struct {
	Sent, Answered uint64
	Replies        map[string]reply
	Errors         map[int64]uint64
}

type reply struct {
	BytesP50 int `json:"bytes_p50"`
	NodesP50 int `json:"nodes_p50"`
	Wrong    uint64
}

// load runs the generator for a moment.
func (c *client) load(loadgen string, args ...string) (r loaded) {
	c.t.Helper()
	args = append([]string{"--quiet", "--json", "-", "--rate", "2000", "--warmup", "0s", "--duration", "500ms", "--timeout", "500ms",
		"--flows", "2000"}, args...)
	out, err := exec.CommandContext(c.t.Context(), loadgen, append(args, c.conn.RemoteAddr().String())...).Output()
	require.NoError(c.t, err)
	require.NoError(c.t, json.Unmarshal(out, &r))
	require.NotZero(c.t, r.Answered)
	return r
}

// pingQuery is a ping and how its answer ends, transaction id and all.
func pingQuery(seq uint32) (query, answer []byte) {
	m := wire.Message{Kind: wire.Query, Method: wire.Ping, T: binary.BigEndian.AppendUint32(nil, seq), ID: bytes.Repeat([]byte{'q'}, 20)}
	return m.Append(nil), nil
}

// client asks a server, one query at a time.
type client struct {
	t    *testing.T
	conn net.Conn
	seq  uint32
	buf  [64 << 10]byte
}

// startServer starts a program with a free address and returns when it has answered a query that probe makes, with
// an answer that begins as probe says.
func startServer(t *testing.T, program string, probe func(seq uint32) (query, answer []byte)) *client {
	t.Helper()
	free, err := net.ListenPacket("udp4", "127.0.0.1:0")
	require.NoError(t, err)
	addr := free.LocalAddr().String()
	require.NoError(t, free.Close())

	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, program, addr)
	var said bytes.Buffer
	cmd.Stderr = &said
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = awaited
	require.NoError(t, cmd.Start())
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		cancel()
		err := <-ended
		require.False(t, errors.Is(err, exec.ErrWaitDelay), "%s does not end on SIGTERM", program)
		if t.Failed() {
			t.Logf("%s: %v: %s", program, err, said.String())
		}
	})

	conn, err := net.Dial("udp4", addr)
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	c := &client{t: t, conn: conn}
	for deadline := time.Now().Add(awaited); ; {
		query, answer := probe(c.seq)
		_, _ = conn.Write(query) // refused as long as nobody listens
		require.NoError(t, conn.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
		n, err := conn.Read(c.buf[:])
		if err == nil {
			require.True(t, bytes.HasPrefix(c.buf[:n], answer), "%q", c.buf[:n])
			break
		}
		select {
		case err := <-ended:
			ended <- err
			needInstalled(t, said.String())
			t.Fatalf("%s ended: %v: %s", program, err, said.String())
		default:
		}
		require.True(t, time.Now().Before(deadline), "%s never answered: %v", program, err)
	}
	return c
}

// needInstalled skips the test for want of a server's software, which is a failure where CI=true says that it is there.
func needInstalled(t *testing.T, said string) {
	t.Helper()
	if strings.Contains(said, "make install-peers") {
		apart.Lacking(t, "a server's software: "+said)
	}
}

// id is the i-th of some ids far apart.
func (c *client) id(i int) []byte {
	return binary.BigEndian.AppendUint32(bytes.Repeat([]byte{byte(i), byte(i >> 8)}, 8), uint32(i))
}

// ask sends a query and returns the response, which must come. Its slices are valid until the next query.
func (c *client) ask(m wire.Message) wire.Message {
	c.t.Helper()
	c.seq++
	m.Kind, m.T, m.ID = wire.Query, binary.BigEndian.AppendUint32(nil, c.seq), bytes.Repeat([]byte{'q'}, 20)
	_, err := c.conn.Write(m.Append(nil))
	require.NoError(c.t, err)
	require.NoError(c.t, c.conn.SetReadDeadline(time.Now().Add(awaited)))
	for {
		n, err := c.conn.Read(c.buf[:])
		require.NoError(c.t, err, "no answer to %s number %d", m.Method, c.seq)
		var r wire.Message
		require.NoError(c.t, wire.Parse(c.buf[:n], &r), "%q", c.buf[:n])
		if r.Kind == wire.Query || !bytes.Equal(r.T, m.T) { // its own queries, and answers to the probes
			continue
		}
		require.Equal(c.t, wire.Response, r.Kind, "%q", c.buf[:n])
		require.Len(c.t, r.ID, len(wire.ID{}))
		return r
	}
}
