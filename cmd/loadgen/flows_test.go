package main

import (
	"math/rand/v2"
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestBlock(t *testing.T) {
	for _, tt := range []struct {
		prefix      string
		count       uint32
		first, last string
	}{
		{"198.18.0.0/15", 131_070, "198.18.0.1", "198.19.255.254"},
		{"10.1.2.3/24", 254, "10.1.2.1", "10.1.2.254"},
		{"10.0.0.0/8", 1<<24 - 2, "10.0.0.1", "10.255.255.254"},
		{"0.0.0.0/0", 1<<24 - 1, "0.0.0.1", "0.255.255.255"},
		{"10.0.0.0/30", 2, "10.0.0.1", "10.0.0.2"},
		{"10.0.0.0/31", 2, "10.0.0.0", "10.0.0.1"},
		{"10.0.0.9/32", 1, "10.0.0.9", "10.0.0.9"},
		{"fd00:18:1::/64", 1<<24 - 1, "fd00:18:1::1", "fd00:18:1::ff:ffff"},
		{"fd00::ffff:0/112", 65_535, "fd00::ffff:1", "fd00::ffff:ffff"},
		{"fd00::/127", 2, "fd00::", "fd00::1"},
		{"fd00::7/128", 1, "fd00::7", "fd00::7"},
	} {
		b := newBlock(netip.MustParsePrefix(tt.prefix))
		require.Equal(t, tt.count, b.count, tt.prefix)
		require.Equal(t, tt.first, b.at(0).String(), tt.prefix)
		require.Equal(t, tt.last, b.at(b.count-1).String(), tt.prefix)
		for _, i := range []uint32{0, b.count / 2, b.count - 1} {
			got, ok := b.number(b.at(i))
			require.True(t, ok, tt.prefix)
			require.Equal(t, i, got, tt.prefix)
		}
		_, ok := b.number(b.at(0).Prev())
		require.False(t, ok, tt.prefix)
		_, ok = b.number(b.at(b.count - 1).Next())
		require.False(t, ok, tt.prefix)
	}
	b := newBlock(netip.MustParsePrefix("10.0.0.0/24"))
	_, ok := b.number(netip.MustParseAddr("fd00::a00:1"))
	require.False(t, ok)
	b = newBlock(netip.MustParsePrefix("fd00::/64"))
	_, ok = b.number(netip.MustParseAddr("fd01::1"))
	require.False(t, ok)
}

func TestPlanFlows(t *testing.T) {
	for _, tt := range []struct {
		name       string
		flows      int
		target     string
		sources    string
		anyAddress bool
		sockets    int
		first      string // source of flow 0; "" is the kernel's choice
		listen     string
		err        string
	}{
		{"loopback", 60_000, "127.0.0.1", "", true, 1, "127.1.0.1", "0.0.0.0:0", ""},
		{"loopback, target in the way", 10, "127.1.0.1", "", true, 1, "127.2.0.1", "0.0.0.0:0", ""},
		{"loopback, many", 1_000_000, "127.0.0.1", "", true, 16, "127.1.0.1", "0.0.0.0:0", ""},
		{"range", 131_070, "10.0.0.1", "198.18.0.0/15", true, 1, "198.18.0.1", "0.0.0.0:0", ""},
		{"range, one more", 131_071, "10.0.0.1", "198.18.0.0/15", true, 2, "198.18.0.1", "0.0.0.0:0", ""},
		{"range of IPv6", 100, "fd00::1", "fd01::/64", true, 1, "fd01::1", "[::]:0", ""},
		{"kernel's address", 1024, "10.0.0.1", "", true, 1024, "", "0.0.0.0:0", ""},
		{"kernel's address, too many", 1025, "10.0.0.1", "", true, 0, "", "", "--sources CIDR"},
		{"IPv6 loopback", 3, "::1", "", true, 3, "", "[::]:0", ""},
		{"range too small", 3000, "10.0.0.1", "10.9.0.0/31", true, 0, "", "", "larger range"},
		{"other family", 1, "10.0.0.1", "fd00::/64", true, 0, "", "", "another address family"},
		{"portable", 5, "127.0.0.1", "", false, 5, "", "0.0.0.0:0", ""},
		{"portable, range", 5, "127.0.0.1", "127.9.0.0/30", false, 5, "", "127.9.0.1:0", ""},
		{"portable, too many", 1025, "127.0.0.1", "", false, 0, "", "", "--io mmsg"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var sources netip.Prefix
			if tt.sources != "" {
				sources = netip.MustParsePrefix(tt.sources)
			}
			l, err := planFlows(tt.flows, netip.MustParseAddr(tt.target), sources, tt.anyAddress, part{})
			if tt.err != "" {
				require.ErrorContains(t, err, tt.err)
				return
			}
			require.NoError(t, err)
			require.Len(t, l.listen, tt.sockets)
			require.Equal(t, tt.listen, l.listen[0].String())
			if tt.first == "" {
				require.False(t, l.source(0).IsValid())
			} else {
				require.Equal(t, tt.first, l.source(0).String())
			}
		})
	}
}

// Every flow has a place of its own, and is found again by it.
func TestFlowsAreFoundAgain(t *testing.T) {
	for _, tt := range []struct {
		flows   int
		sources string
	}{{1000, "10.0.0.0/28"}, {14, "10.0.0.0/28"}, {15, "10.0.0.0/28"}, {1000, "fd00::/120"}, {300, "fd00::5/128"}} {
		p := netip.MustParsePrefix(tt.sources)
		l, err := planFlows(tt.flows, p.Addr(), p, true, part{})
		require.NoError(t, err)
		for f := range uint32(tt.flows) {
			require.Less(t, l.socket(f), len(l.listen))
			got, ok := l.flowOf(l.socket(f), l.source(f))
			require.True(t, ok)
			require.Equal(t, f, got)
		}
		_, ok := l.flowOf(0, netip.MustParseAddr("192.0.2.1"))
		require.False(t, ok)
	}
	l, err := planFlows(7, netip.MustParseAddr("10.0.0.1"), netip.Prefix{}, true, part{})
	require.NoError(t, err)
	got, ok := l.flowOf(6, netip.MustParseAddr("192.0.2.1"))
	require.True(t, ok)
	require.EqualValues(t, 6, got)
}

// In each round every flow comes once, and in all rounds at the same place: its queries are evenly apart.
func TestWalkIsFair(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		bits := rapid.IntRange(18, 32).Draw(t, "bits")
		p := netip.PrefixFrom(netip.MustParseAddr("10.0.0.0"), bits).Masked()
		b := newBlock(p)
		most := min(20_000, maxSockets*int(b.count))
		opened := rapid.IntRange(1, most).Draw(t, "opened")
		l, err := planFlows(opened, p.Addr(), p, true, part{})
		if err != nil {
			t.Fatal(err)
		}
		n := rapid.IntRange(1, opened).Draw(t, "flows")
		w := l.newWalk(n, rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0).Uint64)
		if len(w.lanes) > 1 && (n%len(w.lanes) != 0 || (n/len(w.lanes))%int(w.run) != 0) {
			// Rounds overlap by parts of a run; all flows still come about as often.
			counts := map[uint32]int{}
			for range 4 * n {
				counts[w.flow()]++
			}
			for f, c := range counts {
				if c > 8 {
					t.Fatalf("flow %d came %d times in 4 rounds", f, c)
				}
			}
			if len(counts) != n {
				t.Fatalf("%d of %d flows came", len(counts), n)
			}
			return
		}
		seen := map[uint32]bool{}
		var round []uint32
		for range n {
			f := w.flow()
			if seen[f] {
				t.Fatalf("flow %d came twice in a round of %d", f, n)
			}
			seen[f] = true
			round = append(round, f)
		}
		for i := range n {
			if f := w.flow(); f != round[i] {
				t.Fatalf("flow %d instead of %d", f, round[i])
			}
		}
	})
}

// The bench counts on it: of flows that exceed the queries by a run a socket, none comes twice, however many sockets and
// wherever the walk begins.
func TestWalkDoesNotRepeat(t *testing.T) {
	p := netip.MustParsePrefix("198.18.0.0/15")
	l, err := planFlows(1_000_000, netip.MustParseAddr("10.18.0.1"), p, true, part{})
	require.NoError(t, err)
	require.Len(t, l.listen, 8)
	for _, flows := range []int{2000, 53_024, 125_000, 125_001, 300_000, 1_000_000} {
		seed := uint64(flows)
		w := l.newWalk(flows, func() uint64 { seed += golden; return seed })
		seen := make([]bool, 1_000_000)
		for range flows - maxRun*len(l.listen) {
			f := w.flow()
			require.False(t, seen[f], "flow %d of %d came twice", f, flows)
			seen[f] = true
		}
	}
}

func TestWalkKeepsBatchesTogether(t *testing.T) {
	p := netip.MustParsePrefix("198.18.0.0/16")
	l, err := planFlows(200_000, p.Addr(), p, true, part{})
	require.NoError(t, err)
	w := l.newWalk(200_000, rand.NewPCG(1, 1).Uint64)
	changes, socket := 0, -1
	for range 64 * 100 {
		if s := l.socket(w.flow()); s != socket {
			changes, socket = changes+1, s
		}
	}
	require.Equal(t, 100, changes)
}

func TestStrideVisitsAll(t *testing.T) {
	for size := range uint32(2000) {
		size++
		require.EqualValues(t, 1, gcd(stride(size), size), "size %d", size)
	}
	require.InDelta(t, 61_800, stride(100_000), 50)
}
