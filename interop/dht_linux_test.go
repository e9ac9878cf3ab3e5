package interop

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/sha1"
	"encoding/hex"
	"fmt"
	"net/netip"
	"path/filepath"
	"testing"

	"github.com/anacrolix/dht/v2/krpc"
	"github.com/stretchr/testify/require"

	"supernode/interop/internal/adapter"
)

// TestAnacrolixDHT lets two users of github.com/anacrolix/dht leave things in the node for one another.
func TestAnacrolixDHT(t *testing.T) {
	runUsers(t, anacrolixDHT, anacrolixDHT)
}

// TestDHT lets users of three libraries leave things in the node for one another.
func TestDHT(t *testing.T) {
	t.Parallel()
	runUsers(t, anacrolixDHT, libtorrentDHT, webtorrentDHT)
}

// runUsers starts a user of each library, who reach the node and nobody else, and lets every two of them find what
// the other has left there.
func runUsers(t *testing.T, libraries ...library) {
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			needRoot(t)
			buildSupernode(t)
			ctx, cancel := context.WithTimeout(interrupted, patience)
			defer cancel()
			ctx, lost := context.WithCancelCause(ctx)
			net := newNetwork(t, f, lost)
			nodeHost := net.host(ctx, t, "node")
			e := &exchange{node: startNode(ctx, t, nodeHost, "none")}
			net.isolate(nodeHost)
			for i, l := range libraries {
				if f.name == "ipv4" || !l.ipv4Only {
					host := net.host(ctx, t, fmt.Sprintf("%s %d", l.name, i+1))
					e.users = append(e.users, startUser(ctx, t, host, l, e.node))
				}
			}
			e.run(ctx, t)
		})
	}
}

// exchange is one experiment.
type exchange struct {
	node       *node
	users      []*user
	infoHashes []string // announced until now
}

func (e *exchange) run(ctx context.Context, t *testing.T) {
	for _, from := range e.users {
		for _, to := range e.users {
			if from == to {
				continue
			}
			ok := t.Run(from.name+" to "+to.name, func(t *testing.T) {
				e.peers(ctx, t, from, to)
				e.immutable(ctx, t, from, to)
				e.mutable(ctx, t, from, to, "")
				e.mutable(ctx, t, from, to, "a salt")
			})
			if !ok {
				return // a user that was waited for in vain may still answer, and would be out of step
			}
		}
	}
	t.Run("find_node", func(t *testing.T) { e.findNode(ctx, t) })
	t.Run("scrape", func(t *testing.T) { e.scrape(ctx, t) })
	t.Run("sample", func(t *testing.T) { e.sample(ctx, t) })
	t.Run("no fault found", func(t *testing.T) {
		values, err := e.node.metrics(ctx)
		require.NoError(t, err)
		for _, code := range []int{201, 202, 203, 204, 205, 206, 207, 301, 302} {
			require.Zero(t, values[fmt.Sprintf(`supernode_errors_total{code="%d"}`, code)], "the node has sent error %d", code)
		}
	})
}

// announce announces a user, and returns when the node has it.
func (e *exchange) announce(ctx context.Context, t *testing.T, u *user, infoHash string) {
	t.Helper()
	before, err := e.node.metrics(ctx)
	require.NoError(t, err)
	u.ask(ctx, t, adapter.Request{Do: adapter.Announce, InfoHash: infoHash})
	e.node.awaitMetric(ctx, t, "supernode_peers", before["supernode_peers"]+1)
}

// newInfoHash makes one up.
func (e *exchange) newInfoHash() string {
	var infoHash [20]byte
	_, _ = rand.Read(infoHash[:]) // never fails
	e.infoHashes = append(e.infoHashes, hex.EncodeToString(infoHash[:]))
	return e.infoHashes[len(e.infoHashes)-1]
}

// findNode: the node answers, and names nobody: all are read-only (BEP 43).
func (e *exchange) findNode(ctx context.Context, t *testing.T) {
	for _, u := range e.users {
		if u.does(adapter.FindNode) {
			answer := u.ask(ctx, t, adapter.Request{Do: adapter.FindNode, Target: e.infoHashes[0]})
			require.Empty(t, answer.Nodes)
		}
	}
}

// peers: from announces itself, to finds it and nobody else (BEP 5).
func (e *exchange) peers(ctx context.Context, t *testing.T, from, to *user) {
	infoHash := e.newInfoHash()
	e.announce(ctx, t, from, infoHash)
	answer := to.ask(ctx, t, adapter.Request{Do: adapter.GetPeers, InfoHash: infoHash})
	require.Equal(t, []netip.AddrPort{netip.AddrPortFrom(from.addr, dhtPort)}, answer.Peers)
}

// immutable: from puts a value, to gets it by its hash (BEP 44).
func (e *exchange) immutable(ctx context.Context, t *testing.T, from, to *user) {
	value := fmt.Sprintf("immutable, from %s to %s", from.name, to.name)
	target := sha1.Sum(fmt.Appendf(nil, "%d:%s", len(value), value))
	answer := from.ask(ctx, t, adapter.Request{Do: adapter.Put, Value: value})
	require.Equal(t, hex.EncodeToString(target[:]), answer.Target)
	answer = to.ask(ctx, t, adapter.Request{Do: adapter.Get, Target: answer.Target})
	require.Equal(t, value, answer.Value)
}

// mutable: from puts a value under a key, to gets it, puts another in its place, and from gets that (BEP 44).
func (e *exchange) mutable(ctx context.Context, t *testing.T, from, to *user, salt string) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	require.NoError(t, err)
	key := adapter.Request{Seed: hex.EncodeToString(private.Seed()), Public: hex.EncodeToString(public), Salt: salt}
	for i, step := range []struct{ put, get *user }{{from, to}, {to, from}} {
		put, get := key, key
		put.Do, get.Do = adapter.PutMutable, adapter.GetMutable
		put.Value = fmt.Sprintf("mutable, from %s, salt %q", step.put.name, salt)
		step.put.ask(ctx, t, put)
		answer := step.get.ask(ctx, t, get)
		require.Equal(t, put.Value, answer.Value)
		require.EqualValues(t, i+1, answer.Seq)
	}
}

// scrape: all announce themselves; the filters hold each of them and nobody else (BEP 33).
func (e *exchange) scrape(ctx context.Context, t *testing.T) {
	infoHash := e.newInfoHash()
	var seeds, downloaders krpc.ScrapeBloomFilter
	for _, u := range e.users {
		e.announce(ctx, t, u, infoHash)
		downloaders.AddIp(u.addr.AsSlice())
	}
	for _, u := range e.users {
		if u.does(adapter.Scrape) {
			answer := u.ask(ctx, t, adapter.Request{Do: adapter.Scrape, InfoHash: infoHash})
			require.Equal(t, hex.EncodeToString(seeds[:]), answer.Seeds)
			require.Equal(t, hex.EncodeToString(downloaders[:]), answer.Downloaders)
		}
	}
}

// sample: the node tells all info_hashes that were announced (BEP 51).
func (e *exchange) sample(ctx context.Context, t *testing.T) {
	for _, u := range e.users {
		if u.does(adapter.Sample) {
			answer := u.ask(ctx, t, adapter.Request{Do: adapter.Sample, Target: e.infoHashes[0]})
			require.ElementsMatch(t, e.infoHashes, answer.Samples)
			require.EqualValues(t, len(e.infoHashes), answer.Num)
			require.GreaterOrEqual(t, answer.Interval, int64(0))
			require.LessOrEqual(t, answer.Interval, int64(21600))
		}
	}
}

// TestLibtorrentScrape lets a library see in the filters that libtorrent seeds, and that it does not itself (BEP 33).
func TestLibtorrentScrape(t *testing.T) {
	t.Parallel()
	for _, f := range families {
		t.Run(f.name, func(t *testing.T) {
			needRoot(t)
			seederCommand := libtorrent.command(t)
			ctx, cancel := context.WithTimeout(interrupted, patience)
			defer cancel()
			ctx, lost := context.WithCancelCause(ctx)
			net := newNetwork(t, f, lost)
			nodeHost := net.host(ctx, t, "node")
			e := exchange{node: startNode(ctx, t, nodeHost, "none")}
			net.isolate(nodeHost)
			scraper := startUser(ctx, t, net.host(ctx, t, "scraper"), anacrolixDHT, e.node)

			content := t.TempDir()
			writeContent(t, filepath.Join(content, contentName))
			seederHost := net.host(ctx, t, "seeder")
			seeder := startPeer(t, seederHost, seederCommand, cluster{e.node}, content, true, "--seed", contentName)
			infoHash := seeder.await(ctx, t, adapter.Seeding).InfoHash
			e.node.awaitMetric(ctx, t, "supernode_peers", 1)
			e.announce(ctx, t, scraper, infoHash)

			var seeds, downloaders krpc.ScrapeBloomFilter
			seeds.AddIp(seederHost.addr.AsSlice())
			downloaders.AddIp(scraper.addr.AsSlice())
			want := [2]string{hex.EncodeToString(seeds[:]), hex.EncodeToString(downloaders[:])}
			await(ctx, t, "the filters tell the seed from the downloader", func() error {
				answer := scraper.ask(ctx, t, adapter.Request{Do: adapter.Scrape, InfoHash: infoHash})
				if got := [2]string{answer.Seeds, answer.Downloaders}; got != want {
					return fmt.Errorf("they are %q", got) // libtorrent announces before it has checked its files, too
				}
				return nil
			})
		})
	}
}
