package main

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/dht"
	"supernode/dht/wire"
)

func TestSites(t *testing.T) {
	ids := []wire.ID{{1, 2, 3, 19: 77}, {4, 5, 6, 19: 88}}
	secure := func(i int, addr string) wire.ID { return dht.SecureID(ids[i], netip.MustParseAddr(addr)) }
	for name, test := range map[string]struct {
		listen []string
		want   []site
	}{
		"two public addresses": {
			[]string{"9.9.9.9:1", "[2620:fe::fe]:1"},
			[]site{{[2]int{0, 1}, [2]wire.ID{secure(0, "9.9.9.9"), secure(0, "2620:fe::fe")}}},
		},
		"two of a family": {
			[]string{"9.9.9.9:1", "9.9.9.10:1", "[2620:fe::fe]:1"},
			[]site{
				{[2]int{0, 2}, [2]wire.ID{secure(0, "9.9.9.9"), secure(0, "2620:fe::fe")}},
				{[2]int{1, -1}, [2]wire.ID{secure(1, "9.9.9.10"), secure(1, "9.9.9.10")}},
			},
		},
		"IPv6 only": {
			[]string{"[2620:fe::fe]:1"},
			[]site{{[2]int{-1, 0}, [2]wire.ID{secure(0, "2620:fe::fe"), secure(0, "2620:fe::fe")}}},
		},
		"exempt": {[]string{"127.0.0.1:1", "[::1]:1"}, []site{{[2]int{0, 1}, [2]wire.ID{ids[0], ids[0]}}}},
		"unspecified": {
			[]string{"0.0.0.0:1", "[::]:1"},
			[]site{{[2]int{0, 1}, [2]wire.ID{dht.SecureID(ids[0], sourceAddr(0)), dht.SecureID(ids[0], sourceAddr(1))}}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			var local []netip.AddrPort
			for _, addr := range test.listen {
				local = append(local, netip.MustParseAddrPort(addr))
			}
			next := 0
			random := func() wire.ID { next++; return ids[next-1] }
			fresh := func(_ int, other wire.ID) wire.ID { return other }
			require.Equal(t, test.want, sitesOf(local, fresh, random))
			saved := func(int, wire.ID) wire.ID { return wire.ID{9} }
			for _, s := range sitesOf(local, saved, randomID) {
				require.Equal(t, []byte{0, 0}, s.ids[0][3:5], "saved ids go before random ones")
			}
		})
	}
}
