package sim

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"supernode/dht"
)

// apart4 is the address of the i-th host in a network of its own: hosts of one /16 have one vote among them.
func apart4(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{40 + byte(i>>8), byte(i), 1, 1}), 6881)
}

func apart6(i int) netip.AddrPort {
	return netip.AddrPortFrom(netip.AddrFrom16([16]byte{0x24, 3, byte(i >> 8), byte(i), 15: 1}), 6881)
}

// TestIDsFollowFromAddresses starts hosts with random ids that know nothing of their addresses: from each other they learn
// them, change their ids (BEP 42), and know each other again under the new ones.
func TestIDsFollowFromAddresses(t *testing.T) {
	for name, addr := range map[string]func(int) netip.AddrPort{"IPv4": apart4, "IPv6": apart6} {
		t.Run(name, func(t *testing.T) {
			n, hosts := swarm(t, internet, 60, addr)
			n.Run(3 * checkPeriod)
			known := 0
			for _, h := range hosts {
				ip4, ip6 := h.Node.External()
				id, seen := h.Node.ID(), ip4
				if h.Addr.Addr().Is6() {
					id, seen = h.Node.ID6(), ip6
				}
				require.Equal(t, h.Addr.Addr(), seen)
				require.Equal(t, dht.SecureID(id, seen), id)
				for _, other := range hosts {
					otherID := other.Node.ID()
					if other.Addr.Addr().Is6() {
						otherID = other.Node.ID6()
					}
					if names(t, h, otherID)[other.Addr] == otherID && other != h {
						known++
					}
				}
			}
			require.Greater(t, known, len(hosts)*(len(hosts)-1)*9/10, "pairs who know each other's new id")
		})
	}
}
