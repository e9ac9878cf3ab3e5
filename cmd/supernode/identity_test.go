package main

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/dht"
	"supernode/dht/wire"
)

func TestIdentity(t *testing.T) {
	random := wire.ID{1, 2, 3, 19: 77}
	secure := func(addr string) wire.ID { return dht.SecureID(random, netip.MustParseAddr(addr)) }
	for name, test := range map[string]struct {
		listen   []string
		id4, id6 wire.ID
	}{
		"two public addresses": {[]string{"9.9.9.9:1", "[2620:fe::fe]:1"}, secure("9.9.9.9"), secure("2620:fe::fe")},
		"the first counts":     {[]string{"9.9.9.9:1", "9.9.9.10:1"}, secure("9.9.9.9"), secure("9.9.9.9")},
		"IPv6 only":            {[]string{"[2620:fe::fe]:1"}, secure("2620:fe::fe"), secure("2620:fe::fe")},
		"exempt":               {[]string{"127.0.0.1:1", "[::1]:1"}, random, random},
		"unspecified": {
			[]string{"0.0.0.0:1", "[::]:1"}, dht.SecureID(random, sourceAddr(0)), dht.SecureID(random, sourceAddr(1)),
		},
	} {
		t.Run(name, func(t *testing.T) {
			var local []netip.AddrPort
			for _, addr := range test.listen {
				local = append(local, netip.MustParseAddrPort(addr))
			}
			id4, id6 := identity([2]wire.ID{random, random}, local)
			require.Equal(t, test.id4, id4)
			require.Equal(t, test.id6, id6)
		})
	}
}
