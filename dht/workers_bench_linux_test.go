package dht

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/sys/unix"
	"supernode/dht/wire"
)

// BenchmarkHandleParallel asks one node of so many workers, each by a goroutine of its own. ops/s is what all of them
// answer together, so that the ratio of two lines tells what a further worker is worth. The mix has 30 % find_node, 50 %
// get_peers, 10 % ping and 10 % announce_peer. Every source comes to one worker only, as it is in life.
//
// cpu-ns/op is the processor time of a query, waiting for locks and memory included: what compares on a machine that has
// other things to do.
//
// alone is one worker of a node that was made for no other, and takes no lock. apart are two of those at once, with nothing
// in common but the machine: what 2of2 has less than that is what sharing a node costs, and the rest is what two of the
// machine's processors are worth beside each other, which share a core as a rule.
func BenchmarkHandleParallel(b *testing.B) {
	for _, size := range []struct {
		name         string
		nodes        int
		workers, use int // of each
	}{{"alone", 1, 1, 1}, {"1of2", 1, 2, 1}, {"2of2", 1, 2, 2}, {"apart", 2, 1, 1}} {
		var crew []*Node
		var infohashes []wire.ID
		for range size.nodes {
			var n *Node
			n, infohashes = bigNode(b, size.workers)
			crew = append(crew, n.workers[:size.use]...)
		}
		for _, mix := range []string{"ping", "find_node", "get_peers", "announce_peer", "mix"} {
			b.Run(fmt.Sprintf("%s/%s", mix, size.name), func(b *testing.B) {
				queries := make([][]parallelQuery, len(crew))
				for w := range queries {
					queries[w] = parallelQueries(crew[w], w, infohashes, mix)
				}
				b.ResetTimer()
				var all sync.WaitGroup
				var cpu atomic.Int64
				for w := range queries {
					all.Go(func() {
						runtime.LockOSThread()
						defer runtime.UnlockOSThread()
						before := threadTime(b)
						benchHandle(b, crew[w], parallelNow, b.N/len(crew), func(i int) (netip.AddrPort, []byte) {
							q := &queries[w][i%benchQueries]
							return q.src, q.bytes
						})
						cpu.Add(threadTime(b) - before)
					})
				}
				all.Wait()
				b.ReportMetric(float64(cpu.Load())/float64(b.N), "cpu-ns/op")
				b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "ops/s")
			})
		}
	}
}

// threadTime is the processor time of this thread, in nanoseconds.
func threadTime(b *testing.B) int64 {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
		b.Error(err)
	}
	return t.Nano()
}

type parallelQuery struct {
	src   netip.AddrPort
	bytes []byte
}

const parallelNow = Instant(time.Second)

// parallelQueries are a worker's, from sources that are its own.
func parallelQueries(n *Node, number int, infohashes []wire.ID, mix string) []parallelQuery {
	rng := rand.NewChaCha8([32]byte{5, byte(number)})
	all := make([]parallelQuery, benchQueries)
	var id, target wire.ID
	rng.Read(id[:])
	for i := range all {
		src := benchSource(number<<20 | i)
		infohash := infohashes[rng.Uint64()%benchInfohashes]
		rng.Read(target[:])
		method := mix
		if mix == "mix" {
			method = [10]string{"find_node", "find_node", "find_node", "ping", "announce_peer"}[rng.Uint64()%10]
			if method == "" {
				method = "get_peers"
			}
		}
		m := wire.Message{Kind: wire.Query, ID: id[:], T: []byte("abcd"), Version: []byte("LT\x02\x08")}
		switch method {
		case "ping":
			m.Method = wire.Ping
		case "find_node":
			m.Method, m.Target = wire.FindNode, target[:]
		case "get_peers":
			m.Method, m.InfoHash = wire.GetPeers, infohash[:]
		case "announce_peer":
			var token [tokenSize]byte
			n.tokens.put(&token, parallelNow, src.Addr(), infohash[:])
			m.Method, m.InfoHash, m.Token, m.Has, m.Port = wire.AnnouncePeer, infohash[:], token[:], wire.HasPort, 6881
		}
		all[i] = parallelQuery{src, m.Append(nil)}
	}
	return all
}
