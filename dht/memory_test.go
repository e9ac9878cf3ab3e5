package dht

import (
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"net/netip"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"testing"
	"time"

	"supernode/dht/wire"
)

// BenchmarkMemoryPeers fills a peer store to the size of a supernode, ten million IPv4 peers announced at random for
// a million info_hashes, and reports
//
//	B/peer        growth of the process's resident memory, by the peers
//	counted-B/peer what the store says it takes
//	announce-ns   an announce, new memory included
//	gc-pause-us   the longest pause of the garbage collector, collecting several times while it is loaded
//
// Run it with -benchtime 1x. It takes half a minute.
func BenchmarkMemoryPeers(b *testing.B) {
	const peers, infohashes = 10_000_000, 1_000_000
	for range b.N {
		debug.FreeOSMemory()
		before := residentBytes(b)
		p := newPeerStore(peers, testKey)
		rng := rand.New(rand.NewPCG(1, 2))
		start := time.Now()
		for p.count < peers {
			var infohash wire.ID
			binary.BigEndian.PutUint64(infohash[:], rng.Uint64N(infohashes)*0x9e3779b97f4a7c15)
			var a [4]byte
			binary.BigEndian.PutUint32(a[:], rng.Uint32())
			if !p.announce(0, &infohash, netip.AddrPortFrom(netip.AddrFrom4(a), 6881), false) {
				b.Fatalf("refused with %d peers, %d of %d bytes", p.count, p.bytes(), p.budget)
			}
		}
		b.ReportMetric(float64(time.Since(start).Nanoseconds())/peers, "announce-ns")
		runtime.GC()
		b.ReportMetric(float64(residentBytes(b)-before)/peers, "B/peer")
		b.ReportMetric(float64(p.bytes())/peers, "counted-B/peer")
		forget := gcPause()
		for range 10 {
			runtime.GC()
		}
		b.ReportMetric(gcPauseSince(forget)*1e6, "gc-pause-us")
		b.ReportMetric(0, "ns/op")
		runtime.KeepAlive(p)
	}
}

// residentBytes is the second number of /proc/self/statm, in pages.
func residentBytes(b *testing.B) int {
	statm, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		b.Fatal(err)
	}
	var size, resident int
	if _, err := fmt.Sscan(string(statm), &size, &resident); err != nil {
		b.Fatal(err)
	}
	return resident * os.Getpagesize()
}

// gcPause is the histogram of all pauses so far.
func gcPause() *metrics.Float64Histogram {
	sample := []metrics.Sample{{Name: "/sched/pauses/total/gc:seconds"}}
	metrics.Read(sample)
	return sample[0].Value.Float64Histogram()
}

// gcPauseSince is the upper bound, in seconds, of the longest pause since an earlier histogram was read.
func gcPauseSince(earlier *metrics.Float64Histogram) (longest float64) {
	now := gcPause()
	for i, n := range now.Counts {
		if n > earlier.Counts[i] && !math.IsInf(now.Buckets[i+1], 1) {
			longest = now.Buckets[i+1]
		}
	}
	return longest
}

// BenchmarkValues is a reply's values from swarms of different sizes and states.
func BenchmarkValues(b *testing.B) {
	for _, c := range []struct {
		name   string
		seeds  int
		noSeed bool
	}{{"peers=1024", 0, false}, {"peers=1024,noseed,seeds=1014", 1014, true}} {
		b.Run(c.name, func(b *testing.B) {
			p := newPeerStore(1_000_000, testKey)
			infohash := filledID('h')
			for i := range swarmPeers {
				p.announce(0, &infohash, addr4(i), i < c.seeds)
			}
			buf := make([]byte, 0, 2048)
			rng := rand.New(rand.NewPCG(1, 2))
			for b.Loop() {
				p.appendValues(buf, 0, &infohash, v4, c.noSeed, rng.Uint64(), 600)
			}
		})
	}
}

// BenchmarkScrape makes the filters of the largest swarm anew each time.
func BenchmarkScrape(b *testing.B) {
	p := newPeerStore(1_000_000, testKey)
	infohash := filledID('h')
	for i := range swarmPeers {
		p.announce(0, &infohash, addr4(i), false)
		p.announce(0, &infohash, addr6(i), true)
	}
	for b.Loop() {
		p.scrapes = scrapes{}
		if _, _, ok := p.filters(0, &infohash); !ok {
			b.Fatal("no filters")
		}
	}
}
