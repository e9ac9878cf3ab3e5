package dht

import (
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"supernode/dht/wire"
)

// voterOf is the address of a node in the i-th network, and on its last bytes the host there.
func voterOf(f family, i, host int) netip.AddrPort {
	if f == v4 {
		return netip.AddrPortFrom(netip.AddrFrom4([4]byte{40 + byte(i>>8), byte(i), byte(host >> 8), byte(host)}), 6881)
	}
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x24, 3, byte(i >> 8), byte(i), 6: byte(host >> 8), 7: byte(host), 15: 1}), 6881)
}

// home is the i-th address at which the node may be seen.
func home(f family, i int) netip.Addr {
	if f == v4 {
		return netip.AddrFrom4([4]byte{9, 9, 9, byte(i)})
	}
	return netip.AddrFrom16([16]byte{0x26, 0x20, 0, byte(i), 15: 9})
}

// tell has a node that is asked say where it sees the asker.
func tell(t *testing.T, n *Node, now Instant, voter netip.AddrPort, seen netip.Addr) {
	t.Helper()
	q := askNow(n, now, voter)
	ip := wire.AppendAddr(nil, netip.AddrPortFrom(seen, 4242))
	id := filledID('v')
	require.Equal(t, Accepted, answer(n, now, q, id, wire.Message{IP: ip}).Verdict)
}

// askNow makes the node ask an address.
func askNow(n *Node, now Instant, to netip.AddrPort) sentQuery {
	f := familyOf(to.Addr())
	out, _ := n.askFor(now, nil, targetAt(f, compact(to)), askAlive, wire.ID{})
	q := sentQuery{at: now, to: to}
	if wire.Parse(out, &q.m) != nil {
		panic("the node's own query does not parse")
	}
	return q
}

func external(n *Node, f family) netip.Addr {
	ip4, ip6 := n.External()
	return [families]netip.Addr{ip4, ip6}[f]
}

func eachFamily(t *testing.T, test func(t *testing.T, f family)) {
	for f, name := range [families]string{"IPv4", "IPv6"} {
		t.Run(name, func(t *testing.T) { test(t, family(f)) })
	}
}

func TestVotesMakeTheIDComply(t *testing.T) {
	for _, start := range starts {
		eachFamily(t, func(t *testing.T, f family) {
			n := newNode(t, Config{Start: start})
			before, other := *n.idFor(f), *n.idFor(1 - f)
			for i := range quorum - 1 {
				tell(t, n, start, voterOf(f, i, 1), home(f, 1))
				tell(t, n, start, voterOf(f, i, 2), home(f, 1)) // the same network has no second vote
			}
			require.Equal(t, before, *n.idFor(f))
			require.False(t, external(n, f).IsValid())
			tell(t, n, start, voterOf(f, quorum, 1), home(f, 1))
			require.Equal(t, home(f, 1), external(n, f))
			require.Equal(t, SecureID(before, home(f, 1)), *n.idFor(f))
			require.NotEqual(t, before, *n.idFor(f))
			require.Equal(t, other, *n.idFor(1 - f), "the other family's id")
			require.False(t, external(n, 1-f).IsValid())

			due, looks := n.nextRefresh(f), n.tables[f].count > 0
			require.True(t, looks && due <= start, "its new neighbours are to hear of it")

			// What others see of it: answers and queries bear the new id.
			m := ask(t, n, start, voterOf(f, 1, 1), wire.Message{Method: wire.Ping})
			require.Equal(t, n.idFor(f)[:], m.ID)
			require.Equal(t, n.idFor(f)[:], askNow(n, start, voterOf(f, 1, 1)).m.ID)
		})
	}
}

// TestVotesOfNobody: what is not the answer to a query of ours, or names what no public node can have, does not count.
func TestVotesOfNobody(t *testing.T) {
	for name, c := range map[string]struct {
		seen string
		cast func(t *testing.T, n *Node, voter netip.AddrPort, ip []byte)
	}{
		"queries": {"9.9.9.9:1", func(t *testing.T, n *Node, voter netip.AddrPort, ip []byte) {
			id := filledID('v')
			q := wire.Message{Kind: wire.Query, Method: wire.Ping, T: []byte("aa"), ID: id[:], IP: ip}
			_, o := n.Handle(0, voter, q.Append(nil), nil)
			require.Equal(t, Answered, o.Verdict)
		}},
		"answers nobody asked for": {"9.9.9.9:1", func(t *testing.T, n *Node, voter netip.AddrPort, ip []byte) {
			id := filledID('v')
			r := wire.Message{Kind: wire.Response, T: []byte("abcd"), ID: id[:], IP: ip}
			_, o := n.Handle(0, voter, r.Append(nil), nil)
			require.Equal(t, DropUnsolicited, o.Verdict)
		}},
		"errors": {"9.9.9.9:1", func(t *testing.T, n *Node, voter netip.AddrPort, ip []byte) {
			q := askNow(n, 0, voter)
			e := wire.Message{Kind: wire.Error, T: q.m.T, Code: wire.CodeGeneric, IP: ip}
			_, o := n.Handle(0, voter, e.Append(nil), nil)
			require.Equal(t, Accepted, o.Verdict)
		}},
		"ourselves": {"9.9.9.9:1", func(t *testing.T, n *Node, voter netip.AddrPort, ip []byte) {
			require.Equal(t, Accepted, answer(n, 0, askNow(n, 0, voter), n.id, wire.Message{IP: ip}).Verdict)
		}},
		"private":          {"10.0.0.1:1", nil},
		"loopback":         {"127.0.0.1:1", nil},
		"carrier NAT":      {"100.64.0.1:1", nil},
		"unspecified":      {"0.0.0.0:1", nil},
		"multicast":        {"224.0.0.1:1", nil},
		"the wrong family": {"[2620:fe::fe]:1", nil},
		"mapped":           {"", nil},
	} {
		t.Run(name, func(t *testing.T) {
			n := newNode(t, Config{})
			before := n.ID()
			mapped := netip.MustParseAddr("::ffff:9.9.9.9").As16()
			ip := append(mapped[:], 0, 1)
			if c.seen != "" {
				ip = compact(netip.MustParseAddrPort(c.seen))
			}
			for i := range 3 * quorum {
				voter := voterOf(v4, i, 1)
				if c.cast != nil {
					c.cast(t, n, voter, ip)
				} else {
					answer(n, 0, askNow(n, 0, voter), filledID('v'), wire.Message{IP: ip})
				}
			}
			require.Equal(t, before, n.ID())
			require.False(t, external(n, v4).IsValid())
			require.Empty(t, n.votes[v4].seats)
		})
	}
}

// TestOneOperatorIsOutvoted has somebody with a thousand addresses in few networks say one thing, and everybody else
// another.
func TestOneOperatorIsOutvoted(t *testing.T) {
	eachFamily(t, func(t *testing.T, f family) {
		n := newNode(t, Config{})
		const networks = quorum - 1
		for host := range 1000 {
			tell(t, n, 0, voterOf(f, 500+host%networks, host), home(f, 66))
		}
		require.False(t, external(n, f).IsValid(), "alone")
		for i := range 3 * networks {
			tell(t, n, 0, voterOf(f, i, 1), home(f, 1))
		}
		require.Equal(t, home(f, 1), external(n, f))
		for host := range 1000 {
			tell(t, n, 0, voterOf(f, 500+host%networks, host), home(f, 66))
		}
		require.Equal(t, home(f, 1), external(n, f))
		require.LessOrEqual(t, len(n.votes[f].seats), jury)
	})
}

// TestVotesDisagree: a node behind a pool of addresses is seen now here, now there, and keeps its id.
func TestVotesDisagree(t *testing.T) {
	n := newNode(t, Config{})
	before := n.ID()
	for i := range 1000 {
		tell(t, n, Instant(time.Duration(i)*time.Second), voterOf(v4, i%60, 1), home(v4, i%2))
	}
	require.Equal(t, before, n.ID())
	require.False(t, external(n, v4).IsValid())
}

// TestAddressChanges follows a line that is given a new address every day, and then one that gets another each quarter
// of an hour: the address shown follows, the id changes once an hour at most.
func TestAddressChanges(t *testing.T) {
	eachFamily(t, func(t *testing.T, f family) {
		n := newNode(t, Config{})
		original := *n.idFor(f)
		now := Instant(0)
		live := func(d time.Duration, at netip.Addr) {
			for end := now.Add(d); now < end; now = now.Add(30 * time.Second) {
				tell(t, n, now, voterOf(f, int(now/Instant(30*time.Second))%40, 1), at)
			}
		}
		live(24*time.Hour, home(f, 1))
		require.Equal(t, SecureID(original, home(f, 1)), *n.idFor(f))
		live(30*time.Minute, home(f, 2))
		require.Equal(t, home(f, 2), external(n, f))
		require.Equal(t, SecureID(original, home(f, 2)), *n.idFor(f))

		live(24*time.Hour, home(f, 2))
		changes, id := 0, *n.idFor(f)
		for i := range 4 * 12 {
			live(15*time.Minute, home(f, 10+i))
			if *n.idFor(f) != id {
				changes, id = changes+1, *n.idFor(f)
			}
		}
		require.LessOrEqual(t, changes, 12, "in twelve hours")
		live(2*time.Hour, home(f, 3))
		require.Equal(t, SecureID(original, home(f, 3)), *n.idFor(f), "it follows in the end")
	})
}

// TestVotersRotate: a seat is for a term, so that no jury stays.
func TestVotersRotate(t *testing.T) {
	n := newNode(t, Config{})
	for i := range 10 * jury {
		tell(t, n, 0, voterOf(v4, i, 1), home(v4, 1))
	}
	require.Len(t, n.votes[v4].seats, jury)
	require.Equal(t, home(v4, 1), external(n, v4))
	for i := range jury { // others, of another opinion, who find no seat
		tell(t, n, Instant(term)-1, voterOf(v4, 1000+i, 1), home(v4, 2))
	}
	require.Equal(t, home(v4, 1), external(n, v4))
	for i := range jury {
		tell(t, n, Instant(term), voterOf(v4, 1000+i, 1), home(v4, 2))
	}
	require.Equal(t, home(v4, 2), external(n, v4))
	require.Len(t, n.votes[v4].seats, jury)
}

// TestVotesInALab: on private addresses, which are few networks, every host has a vote.
func TestVotesInALab(t *testing.T) {
	n := newNode(t, Config{AllowPrivate: true})
	before := n.ID()
	seen := netip.MustParseAddr("198.18.0.1")
	for i := range byte(quorum) {
		tell(t, n, 0, netip.AddrPortFrom(netip.AddrFrom4([4]byte{198, 18, 0, 10 + i}), 6881), seen)
	}
	require.Equal(t, seen, external(n, v4))
	require.Equal(t, SecureID(before, seen), n.ID(), "BEP 42 does not exempt benchmarking networks")

	exempt := newNode(t, Config{AllowPrivate: true})
	for i := range byte(quorum) {
		tell(t, exempt, 0, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 0, 0, 10 + i}), 6881), netip.MustParseAddr("10.0.0.1"))
	}
	require.Equal(t, before, exempt.ID())
}

// TestVotesAgainstModel recounts all votes ever cast after each.
func TestVotesAgainstModel(t *testing.T) {
	type ballot struct {
		seen  netip.Addr
		until Instant
	}
	rapid.Check(t, func(t *rapid.T) {
		v, model, external := votes{}, map[int]ballot{}, netip.Addr{}
		networks := rapid.SampledFrom([]int{5, 12, 2 * jury}).Draw(t, "networks")
		now := Instant(rapid.Int64Range(-1e15, 1e15).Draw(t, "start"))
		for range rapid.IntRange(1, 400).Draw(t, "votes") {
			now += Instant(rapid.SampledFrom([]time.Duration{0, time.Second, time.Minute, term / 2}).Draw(t, "pause"))
			voter := rapid.IntRange(0, networks-1).Draw(t, "voter")
			seen := home(v4, min(1, rapid.IntRange(0, 5).Draw(t, "seen")))
			for old, b := range model {
				if now >= b.until {
					delete(model, old)
				}
			}
			if b, seated := model[voter]; seated {
				model[voter] = ballot{seen, b.until}
			} else if len(model) < jury {
				model[voter] = ballot{seen, now.Add(term)}
			}
			if _, heard := model[voter]; heard {
				agree := 0
				for _, b := range model {
					if b.seen == seen {
						agree++
					}
				}
				if agree >= quorum && float64(agree) >= float64(len(model))*2/3 {
					external = seen
				}
			}
			v.cast(now, voterAt(voterOf(v4, voter, 1).Addr()), seen)
			require.Equal(t, external, v.external)
		}
	})
}
