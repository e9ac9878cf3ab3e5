package udp

import (
	"net"
	"net/netip"
	"strconv"
)

// zones turns interface indices into the zones of link-local addresses and back. The zones it gives are
// numbers, which need no look-up and stay true when an interface is renamed. Both maps hold interfaces
// of this machine only, so they stay small.
type zones struct {
	names   map[uint32]string
	indices map[string]uint32
}

// with returns addr with the zone that stands for the interface index scope.
func (z *zones) with(addr netip.Addr, scope uint32) netip.Addr {
	if scope == 0 {
		return addr
	}
	name, ok := z.names[scope]
	if !ok {
		if z.names == nil {
			z.names = make(map[uint32]string)
		}
		name = strconv.FormatUint(uint64(scope), 10)
		z.names[scope] = name
	}
	return addr.WithZone(name)
}

// scope returns the interface index that the zone of addr stands for: a number, or the name of an
// interface. It is 0 without a zone; ok is false if there is no such interface. With 0 in its place the
// kernel would send to some other link.
func (z *zones) scope(addr netip.Addr) (index uint32, ok bool) {
	if !addr.Is6() || addr.Zone() == "" {
		return 0, true
	}
	name := addr.Zone()
	if index, ok := z.indices[name]; ok { // first, since a failed ParseUint allocates
		return index, true
	}
	if n, err := strconv.ParseUint(name, 10, 32); err == nil {
		return uint32(n), true
	}
	ifi, err := net.InterfaceByName(name)
	if err != nil {
		return 0, false
	}
	if z.indices == nil {
		z.indices = make(map[string]uint32)
	}
	z.indices[name] = uint32(ifi.Index)
	return uint32(ifi.Index), true
}
