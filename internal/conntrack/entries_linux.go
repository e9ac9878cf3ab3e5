package conntrack

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Messages and attributes of ctnetlink (include/uapi/linux/netfilter/nfnetlink_conntrack.h).
const (
	ctNew    = unix.NFNL_SUBSYS_CTNETLINK << 8
	ctGet    = ctNew | 1
	ctDelete = ctNew | 2

	ctaTupleOrig  = 1
	ctaTupleReply = 2
	ctaStatus     = 3
	ctaTimeout    = 7
	ctaID         = 12
	ctaZone       = 18

	ctaTupleIP    = 1
	ctaTupleProto = 2
	ctaIPv4Src    = 1
	ctaIPv4Dst    = 2
	ctaIPv6Src    = 3
	ctaIPv6Dst    = 4
	ctaProtoNum   = 1
	ctaProtoSrc   = 2
	ctaProtoDst   = 3

	statusSeenReply = 1 << 1 // IPS_SEEN_REPLY
	statusAssured   = 1 << 2 // IPS_ASSURED

	nfgenLen = 4 // struct nfgenmsg
)

// ReadEntries summarises the entries of the port in the calling thread's network namespace. An entry is the port's if the
// end on this host has it: flows to the same port elsewhere, of clients here or forwarded, are not. It needs
// CAP_NET_ADMIN.
func ReadEntries(ctx context.Context, port uint16) (*Entries, error) {
	sum := NewEntries(port)
	return sum, scan(ctx, sum, nil)
}

// FlushPort deletes the entries of the port in the calling thread's network namespace, and no others, and returns how
// many there were. Flows that go on get new entries with their next packet, unless the port is exempt.
func FlushPort(ctx context.Context, port uint16) (deleted uint64, err error) {
	d, err := openDeleter()
	if err != nil {
		return 0, err
	}
	err = scan(ctx, NewEntries(port), d.add)
	if err == nil {
		err = d.send()
	}
	return d.deleted, errors.Join(err, d.close())
}

// scan dumps the table and adds the port's entries to sum. each gets those entries as they came, valid until it returns.
func scan(ctx context.Context, sum *Entries, each func(family byte, entry []byte) error) error {
	local, err := localPrefixes()
	if err != nil {
		return err
	}
	return dump(ctx, func(family byte, entry []byte) error {
		sum.Scanned++
		x, ok := parseEntry(entry, sum.Port, local)
		if !ok {
			return nil
		}
		sum.Add(x)
		if each == nil {
			return nil
		}
		return each(family, entry)
	})
}

// dump hands out the table's entries, each valid until f returns. An error of f's ends it.
func dump(ctx context.Context, f func(family byte, entry []byte) error) error {
	s, err := dialNetfilter()
	if err != nil {
		return err
	}
	defer unix.Close(s)
	request := message(ctGet, unix.NLM_F_DUMP, 0, unix.AF_UNSPEC, nil)
	if err := unix.Sendto(s, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("ask for the conntrack table: %w", err)
	}
	for buf := make([]byte, 256<<10); ; {
		if err := ctx.Err(); err != nil {
			return context.Cause(ctx)
		}
		n, _, err := unix.Recvfrom(s, buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("read the conntrack table: %w", err)
		}
		done, err := eachMessage(buf[:n], f)
		if done || err != nil {
			return err
		}
	}
}

// dialNetfilter opens a netlink socket; whoever opens it closes it.
func dialNetfilter() (int, error) {
	s, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err != nil {
		return -1, fmt.Errorf("open netfilter netlink: %w", err)
	}
	return s, nil
}

// message encodes a netlink message of ctnetlink.
func message(kind, flags uint16, sequence uint32, family byte, attributes []byte) []byte {
	b := make([]byte, 0, unix.NLMSG_HDRLEN+nfgenLen+len(attributes))
	b = binary.NativeEndian.AppendUint32(b, uint32(cap(b)))
	b = binary.NativeEndian.AppendUint16(b, kind)
	b = binary.NativeEndian.AppendUint16(b, unix.NLM_F_REQUEST|flags)
	b = binary.NativeEndian.AppendUint32(b, sequence)
	b = append(b, 0, 0, 0, 0) // port id: the kernel knows
	b = append(b, family, unix.NFNETLINK_V0, 0, 0)
	return append(b, attributes...)
}

// eachMessage walks one read of a dump. done says that it was the last.
func eachMessage(b []byte, f func(family byte, attributes []byte) error) (done bool, err error) {
	for len(b) >= unix.NLMSG_HDRLEN {
		size := int(native32(b))
		if size < unix.NLMSG_HDRLEN || size > len(b) {
			return false, fmt.Errorf("read the conntrack table: message of %d bytes in %d", size, len(b))
		}
		kind, body := native16(b[4:]), b[unix.NLMSG_HDRLEN:size]
		switch {
		case kind == unix.NLMSG_DONE:
			return true, nil
		case kind == unix.NLMSG_ERROR:
			return true, fmt.Errorf("read the conntrack table (needs CAP_NET_ADMIN): %w", errnoOf(body))
		case kind == ctNew && len(body) >= nfgenLen:
			if err := f(body[0], body[nfgenLen:]); err != nil {
				return false, err
			}
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return false, nil
}

// errnoOf reads struct nlmsgerr; nil for an acknowledgement.
func errnoOf(body []byte) error {
	if len(body) < 4 {
		return errors.New("short netlink error")
	}
	if e := int32(native32(body)); e != 0 {
		return unix.Errno(-e)
	}
	return nil
}

// attribute returns the value of the first attribute of a kind, or nil.
func attribute(b []byte, kind uint16) []byte {
	whole := wholeAttribute(b, kind)
	if whole == nil {
		return nil
	}
	return whole[unix.NLA_HDRLEN:native16(whole)]
}

// wholeAttribute returns the first attribute of a kind with its header and padding, or nil.
func wholeAttribute(b []byte, kind uint16) []byte {
	for len(b) >= unix.NLA_HDRLEN {
		size := int(native16(b))
		if size < unix.NLA_HDRLEN || size > len(b) {
			return nil
		}
		padded := min(len(b), (size+3)&^3)
		if native16(b[2:])&^(unix.NLA_F_NESTED|unix.NLA_F_NET_BYTEORDER) == kind {
			return b[:padded]
		}
		b = b[padded:]
	}
	return nil
}

// parseEntry reads an entry; ok says that it is the port's.
func parseEntry(b []byte, port uint16, local []netip.Prefix) (x Entry, ok bool) {
	orig, okOrig := source(attribute(b, ctaTupleOrig))
	reply, okReply := source(attribute(b, ctaTupleReply))
	if !okOrig || !okReply {
		return x, false
	}
	// The sources of the two directions are the two ends, past any NAT.
	switch {
	case reply.Port() == port && contains(local, reply.Addr()):
		x.Inbound, x.Remote = true, orig.Addr()
	case orig.Port() == port && contains(local, orig.Addr()):
		x.Remote = reply.Addr()
	default:
		return x, false
	}
	if status := attribute(b, ctaStatus); len(status) == 4 {
		bits := binary.BigEndian.Uint32(status)
		x.Replied, x.Assured = bits&statusSeenReply != 0, bits&statusAssured != 0
	}
	if left := attribute(b, ctaTimeout); len(left) == 4 {
		x.Left = time.Duration(binary.BigEndian.Uint32(left)) * time.Second
	}
	return x, true
}

// source is the source of a UDP tuple.
func source(tuple []byte) (addr netip.AddrPort, ok bool) {
	return endpointOf(tuple, ctaIPv4Src, ctaIPv6Src, ctaProtoSrc)
}

// endpointOf is one end of a UDP tuple, by the attributes that have it.
func endpointOf(tuple []byte, ipv4, ipv6, ports uint16) (addr netip.AddrPort, ok bool) {
	proto := attribute(tuple, ctaTupleProto)
	if number := attribute(proto, ctaProtoNum); len(number) != 1 || number[0] != unix.IPPROTO_UDP {
		return addr, false
	}
	port := attribute(proto, ports)
	ips := attribute(tuple, ctaTupleIP)
	ip, ok := netip.AddrFromSlice(attribute(ips, ipv4))
	if !ok {
		ip, ok = netip.AddrFromSlice(attribute(ips, ipv6))
	}
	if !ok || len(port) != 2 {
		return addr, false
	}
	return netip.AddrPortFrom(ip, binary.BigEndian.Uint16(port)), true
}

func contains(prefixes []netip.Prefix, a netip.Addr) bool {
	for _, p := range prefixes {
		if p.Contains(a) {
			return true
		}
	}
	return false
}

// localPrefixes are the addresses that are this host's: whatever a route of type local says, whole networks included.
func localPrefixes() ([]netip.Prefix, error) {
	routes, err := netlink.RouteListFiltered(netlink.FAMILY_ALL, &netlink.Route{Type: unix.RTN_LOCAL, Table: unix.RT_TABLE_UNSPEC},
		netlink.RT_FILTER_TYPE|netlink.RT_FILTER_TABLE)
	if err != nil {
		return nil, fmt.Errorf("list local routes: %w", err)
	}
	var prefixes []netip.Prefix
	for _, r := range routes {
		if r.Dst == nil {
			continue
		}
		addr, ok := netip.AddrFromSlice(r.Dst.IP)
		ones, _ := r.Dst.Mask.Size()
		if ok {
			prefixes = append(prefixes, netip.PrefixFrom(addr.Unmap(), ones))
		}
	}
	return prefixes, nil
}

func native16(b []byte) uint16 { return binary.NativeEndian.Uint16(b) }
func native32(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }
