package conntrack

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	ct "github.com/ti-mo/conntrack"
	"golang.org/x/sys/unix"

	"supernode/internal/apart"
)

// seed makes an entry over netlink.
func seed(t *testing.T, conn *ct.Conn, from, to string, status ct.Status, timeout uint32) {
	t.Helper()
	a, b := netip.MustParseAddrPort(from), netip.MustParseAddrPort(to)
	flow := ct.NewFlow(unix.IPPROTO_UDP, status|ct.StatusConfirmed, a.Addr(), b.Addr(), a.Port(), b.Port(), timeout, 0)
	require.NoError(t, conn.Create(flow))
}

// TestEntriesAndFlush: what is the port's is counted and deleted, what looks like it is neither.
func TestEntriesAndFlush(t *testing.T) {
	apart.NeedProgram(t, "ip")
	apart.In(t, func() {
		// The host has an address and, by AnyIP, a network.
		apart.Shell(t, "ip addr add 192.0.2.1/24 dev lo; ip -6 addr add 2001:db8::1/64 dev lo nodad; ip route add local 198.51.100.0/24 dev lo")
		conn, err := ct.Dial(nil)
		require.NoError(t, err)
		defer conn.Close()
		for _, x := range []struct {
			from, to string
			status   ct.Status
			timeout  uint32
		}{
			{"203.0.113.1:1000", "192.0.2.1:6881", 0, 29},
			{"203.0.113.1:1001", "192.0.2.1:6881", ct.StatusSeenReply, 9},
			{"203.0.113.2:1000", "198.51.100.7:6881", ct.StatusSeenReply | ct.StatusAssured, 300},
			{"[2001:db8:1::1]:1000", "[2001:db8::1]:6881", ct.StatusSeenReply | ct.StatusAssured, 119},
			{"192.0.2.1:6881", "203.0.113.9:7000", 0, 29}, // begun here
			// Not the port's: a client here asks another server, one is forwarded, another port, another protocol.
			{"192.0.2.1:4000", "203.0.113.9:6881", 0, 60},
			{"203.0.113.1:6881", "203.0.113.9:6881", 0, 60},
			{"203.0.113.1:6881", "192.0.2.1:53", 0, 60},
		} {
			seed(t, conn, x.from, x.to, x.status, x.timeout)
		}
		tcp := ct.NewFlow(unix.IPPROTO_TCP, 0, netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("192.0.2.1"), 1000, 6881, 60, 0)
		tcp.ProtoInfo.TCP = &ct.ProtoInfoTCP{State: 3}
		require.NoError(t, conn.Create(tcp))

		e, err := ReadEntries(t.Context(), 6881)
		require.NoError(t, err)
		require.EqualValues(t, 9, e.Scanned)
		require.EqualValues(t, 5, e.Total)
		require.EqualValues(t, 4, e.Inbound)
		require.EqualValues(t, 2, e.Assured)
		require.EqualValues(t, 1, e.Replied)
		require.EqualValues(t, 2, e.Waiting)
		require.EqualValues(t, 1, e.IPv6)
		require.EqualValues(t, [...]uint64{1, 2, 0, 1, 1}, e.TimeLeft)
		require.Equal(t, Source{netip.MustParsePrefix("203.0.113.1/32"), 2, 0}, e.TopHosts(1)[0])
		require.Equal(t, Source{netip.MustParsePrefix("203.0.113.0/24"), 4, 0}, e.TopNetworks(1)[0])

		deleted, err := FlushPort(t.Context(), 6881)
		require.NoError(t, err)
		require.EqualValues(t, 5, deleted)
		e, err = ReadEntries(t.Context(), 6881)
		require.NoError(t, err)
		require.Zero(t, e.Total)
		require.EqualValues(t, 4, e.Scanned, "the others are still there")
	})
}

// TestFlushMany takes more than one batch, and more than one read of the dump.
func TestFlushMany(t *testing.T) {
	apart.In(t, func() {
		conn, err := ct.Dial(nil)
		require.NoError(t, err)
		defer conn.Close()
		const n = 3000
		for i := range n {
			from := netip.AddrPortFrom(netip.AddrFrom4([4]byte{203, 0, byte(i >> 8), byte(i)}), 1000)
			seed(t, conn, from.String(), "127.0.0.1:6881", 0, 100)
		}
		e, err := ReadEntries(t.Context(), 6881)
		require.NoError(t, err)
		require.EqualValues(t, n, e.Total)
		deleted, err := FlushPort(t.Context(), 6881)
		require.NoError(t, err)
		require.EqualValues(t, n, deleted)
	})
}

// TestTopper: the counters promise bounds, and hold them against an exact count.
func TestTopper(t *testing.T) {
	const counters, adds = 64, 20_000
	random := rand.New(rand.NewPCG(1, 2))
	exact := map[netip.Prefix]uint64{}
	top := newTopper(counters)
	for range adds {
		n := uint32(random.ExpFloat64() * 40)
		if random.IntN(2) == 0 {
			n = random.Uint32() // a crowd of those that come once
		}
		p := netip.PrefixFrom(netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n))), 32)
		exact[p]++
		top.add(p)
	}
	listed := map[netip.Prefix]bool{}
	for _, s := range top.top(counters) {
		require.LessOrEqual(t, exact[s.Prefix], s.Count)
		require.GreaterOrEqual(t, exact[s.Prefix], s.Count-s.Over)
		listed[s.Prefix] = true
	}
	require.Len(t, listed, counters)
	for p, n := range exact {
		require.True(t, n <= adds/counters || listed[p], "%v has %d and is not listed", p, n)
	}
}

func TestTimeLeftBoundsAscend(t *testing.T) {
	e := NewEntries(1)
	for _, left := range []time.Duration{0, 10 * time.Second, 30 * time.Second, time.Minute, 2 * time.Minute, time.Hour} {
		e.Add(Entry{Remote: netip.IPv4Unspecified(), Left: left})
	}
	require.EqualValues(t, [...]uint64{1, 1, 1, 1, 2}, e.TimeLeft)
}

// FuzzParseEntry: no bytes make the parsers go beyond their end, and nothing is taken for the port's without its port.
func FuzzParseEntry(f *testing.F) {
	f.Add([]byte{})
	f.Add([]byte{4, 0, 1, 0x80})
	f.Add([]byte{255, 255, 1, 0x80, 0})
	ip := func(a string) []byte {
		return encoded(ctaTupleIP, encoded(ctaIPv4Src, netip.MustParseAddr(a).AsSlice()))
	}
	proto := encoded(ctaTupleProto, append(encoded(ctaProtoNum, []byte{unix.IPPROTO_UDP}), encoded(ctaProtoSrc, []byte{0x1a, 0xe1})...))
	f.Add(append(encoded(ctaTupleOrig, append(ip("203.0.113.1"), proto...)), encoded(ctaTupleReply, append(ip("192.0.2.1"), proto...))...))
	local := []netip.Prefix{netip.MustParsePrefix("192.0.2.1/32")}
	f.Fuzz(func(t *testing.T, b []byte) {
		x, ok := parseEntry(b, 6881, local)
		require.True(t, !ok || x.Remote.IsValid())
		_, err := eachMessage(b, func(byte, []byte) error { return nil })
		_, _, errAck := readAcks(b, 1)
		_, _ = err, errAck
	})
}

// encoded is an attribute with its header and padding.
func encoded(kind uint16, value []byte) []byte {
	b := binary.NativeEndian.AppendUint16(nil, uint16(unix.NLA_HDRLEN+len(value)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = append(b, value...)
	for len(b)%unix.NLA_ALIGNTO != 0 {
		b = append(b, 0)
	}
	return b
}
