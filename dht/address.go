package dht

import (
	"encoding/binary"
	"net/netip"

	"supernode/dht/wire"
)

// family indexes what exists once per address family (BEP 32: two tables that never mix).
type family uint8

const (
	v4 family = iota
	v6
	families = 2
)

var (
	nodeSize = [families]int{wire.CompactNode4, wire.CompactNode6}
	addrSize = [families]int{wire.CompactAddr4, wire.CompactAddr6}
)

func familyOf(a netip.Addr) family {
	if a.Is4() {
		return v4
	}
	return v6
}

// realm is the kind of network an address lives in. Hosters report packets into other realms than the
// public one as port scans, so a node must not be talked into sending them.
type realm uint8

const (
	public    realm = iota
	never           // unspecified, multicast, broadcast, reserved, IPv4-mapped, with a zone: no host to talk to
	loopback        // 127/8, ::1
	private         // RFC 1918, and RFC 2544 benchmarking
	carrier         // RFC 6598, carrier-grade NAT
	linkLocal       // 169.254/16, fe80::/10
	document        // RFC 5737, RFC 3849, RFC 9637
	local6          // RFC 4193, unique local
)

// special lists the realms of IPv4 that are not public. Prefixes are disjoint.
var special = []struct {
	prefix netip.Prefix
	realm  realm
}{
	{netip.MustParsePrefix("0.0.0.0/8"), never},
	{netip.MustParsePrefix("10.0.0.0/8"), private},
	{netip.MustParsePrefix("100.64.0.0/10"), carrier},
	{netip.MustParsePrefix("127.0.0.0/8"), loopback},
	{netip.MustParsePrefix("169.254.0.0/16"), linkLocal},
	{netip.MustParsePrefix("172.16.0.0/12"), private},
	{netip.MustParsePrefix("192.0.0.0/24"), never},
	{netip.MustParsePrefix("192.0.2.0/24"), document},
	{netip.MustParsePrefix("192.168.0.0/16"), private},
	{netip.MustParsePrefix("198.18.0.0/15"), private},
	{netip.MustParsePrefix("198.51.100.0/24"), document},
	{netip.MustParsePrefix("203.0.113.0/24"), document},
	{netip.MustParsePrefix("224.0.0.0/3"), never},

	{netip.MustParsePrefix("::1/128"), loopback},
	{netip.MustParsePrefix("fc00::/7"), local6},
	{netip.MustParsePrefix("fe80::/10"), linkLocal},
	{netip.MustParsePrefix("2001:db8::/32"), document},
	{netip.MustParsePrefix("3fff::/20"), document},
}

// global6 is the only part of IPv6 that IANA has given out as global unicast.
var global6 = netip.MustParsePrefix("2000::/3")

// mixed4 marks the first bytes of IPv4 addresses that need a look at special; all others are public.
var mixed4 = func() (mixed [256]bool) {
	for _, s := range special {
		if a := s.prefix.Addr(); a.Is4() {
			first := int(a.As4()[0])
			for i := first; i < first+1<<max(0, 8-s.prefix.Bits()); i++ {
				mixed[i] = true
			}
		}
	}
	return mixed
}()

func realmOf(a netip.Addr) realm {
	if a.Is4() && !mixed4[a.As4()[0]] {
		return public
	}
	for i := range special {
		if special[i].prefix.Contains(a) {
			return special[i].realm
		}
	}
	if a.Is4() || global6.Contains(a) {
		return public
	}
	return never
}

// reach is the set of realms a node talks to.
type reach uint16

func newReach(own []netip.Addr, allowPrivate bool) reach {
	r := reach(1) << public
	for _, a := range own {
		r |= 1 << realmOf(a.Unmap().WithZone(""))
	}
	if allowPrivate {
		r = ^reach(0)
	}
	return r &^ (1 << never)
}

// allows says whether the node may send to a.
func (r reach) allows(a netip.AddrPort) bool {
	return a.Port() != 0 && r&(1<<realmOf(a.Addr())) != 0
}

// Who is behind an address, by what one of its kind costs. A source is an IPv4 address or an IPv6 /64, which is what one
// host or household has to itself; a subnet is an IPv4 /24 or an IPv6 /48, which is what one customer of a hoster or a
// provider may have; a net is an IPv4 /16 or an IPv6 /32, which a provider is given.

// sourceIn is the number of the source that a compact address of the family, or what begins with one, belongs to: the IPv4
// address, or the first half of the IPv6 address. No number stands for two, since the first bits of a global IPv6
// address are not zero; those of the IPv6 loopback address are, and it stands for nobody.
func sourceIn(f family, record []byte) uint64 {
	if f == v4 {
		return uint64(binary.BigEndian.Uint32(record))
	}
	return binary.BigEndian.Uint64(record)
}

// sourceOf is the number of the source that an address belongs to.
func sourceOf(ip netip.Addr) uint64 {
	if ip.Is4() {
		a := ip.As4()
		return sourceIn(v4, a[:])
	}
	a := ip.As16()
	return sourceIn(v6, a[:])
}

// subnetOf and netOf are the numbers, within the family, of the subnet and the net that a compact address belongs to.
func subnetOf(f family, addr []byte) uint64 { return sourceIn(f, addr) >> [families]int{8, 16}[f] }
func netOf(f family, addr []byte) uint64    { return sourceIn(f, addr) >> [families]int{16, 32}[f] }
