package xdp

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"github.com/cilium/ebpf/asm"
)

const (
	xdpPass     = 2  // XDP_PASS, include/uapi/linux/bpf.h
	protocolUDP = 17 // IPPROTO_UDP

	// Of struct xdp_md.
	offsetData      = 0
	offsetDataEnd   = 4
	offsetInterface = 12 // ingress_ifindex
	offsetQueue     = 16 // rx_queue_index

	// Offsets in a frame without VLAN tag, of IPv4 without options or IPv6 without extension headers: what has any is left to
	// the kernel.
	offsetEtherType = 12
	offsetIP        = 14
	offsetUDP4      = offsetIP + 20
	offsetUDP6      = offsetIP + 40
	sizeUDP         = 8
)

// Registers of the program, and the labels it jumps to.
const (
	regContext = asm.R6
	regFrame   = asm.R7
	regEnd     = asm.R8

	pass     = "pass"
	redirect = "redirect"
)

// begin loads the frame, and lets pass what is shorter than headers, which is as much as the verifier allows to be looked at.
func begin(headers int) asm.Instructions {
	return asm.Instructions{
		asm.Mov.Reg(regContext, asm.R1),
		asm.LoadMem(regFrame, regContext, offsetData, asm.Word),
		asm.LoadMem(regEnd, regContext, offsetDataEnd, asm.Word),
		asm.Mov.Reg(asm.R1, regFrame),
		asm.Add.Imm(asm.R1, int32(headers)),
		asm.JGT.Reg(asm.R1, regEnd, pass),
	}
}

// redirector redirects datagrams from one address and port to some of ours, in frames of no more than longest bytes to the
// hardware address local, to the socket of their receive queue in the map sockets. What comes by a queue without a socket there
// goes on to the kernel.
func redirector(sockets int, local [6]byte, from netip.AddrPort, to []netip.AddrPort, longest int) asm.Instructions {
	udp := offsetUDP6
	if from.Addr().Is4() {
		udp = offsetUDP4
	}
	p := append(begin(udp+sizeUDP),
		asm.Mov.Reg(asm.R1, regFrame),
		asm.Add.Imm(asm.R1, int32(longest)),
		asm.JLT.Reg(asm.R1, regEnd, pass),
	)
	for _, c := range append(toUs(local), conditions(from)...) {
		p = append(p, c.instructions(pass)...)
	}
	for i, t := range to { // one after the other, until one is met
		next := pass
		if i+1 < len(to) {
			next = label(i + 1)
		}
		var own asm.Instructions
		for _, c := range destination(t) {
			own = append(own, c.instructions(next)...)
		}
		own[0] = own[0].WithSymbol(label(i))
		p = append(append(p, own...), asm.Ja.Label(redirect))
	}
	return append(p,
		asm.Mov.Imm(asm.R0, xdpPass).WithSymbol(pass),
		asm.Return(),
		asm.LoadMem(asm.R2, regContext, offsetQueue, asm.Word).WithSymbol(redirect),
		asm.LoadMapPtr(asm.R1, sockets),
		asm.Mov.Imm(asm.R3, xdpPass), // where there is no socket
		asm.FnRedirectMap.Call(),
		asm.Return(),
	)
}

// condition is that what stands in the frame at an offset is want, where mask has bits if it is not 0. Both are as the
// processor loads them.
type condition struct {
	offset     int
	size       asm.Size
	mask, want uint32
}

// toUs are what makes a frame ours on a link that carries others' as well: the kernel would drop those.
func toUs(local [6]byte) []condition {
	return []condition{
		{offset: 0, size: asm.Word, want: native32(local[:])},
		{offset: 4, size: asm.Half, want: uint32(binary.NativeEndian.Uint16(local[4:]))},
	}
}

// conditions are what makes a frame one that holds a whole UDP datagram from an address and port.
func conditions(from netip.AddrPort) (list []condition) {
	if from.Addr().Is4() {
		list = []condition{
			{offset: offsetEtherType, size: asm.Half, want: big16(0x0800)},
			{offset: offsetIP, size: asm.Byte, want: 0x45},                       // version 4, no options
			{offset: offsetIP + 6, size: asm.Half, mask: big16(0x3fff), want: 0}, // no fragment: neither more to come nor an offset
			{offset: offsetIP + 9, size: asm.Byte, want: protocolUDP},            // protocol
		}
		list = append(list, address(from.Addr(), offsetIP+12)...)
		return append(list, port(from.Port(), offsetUDP4)...)
	}
	list = []condition{
		{offset: offsetEtherType, size: asm.Half, want: big16(0x86dd)},
		{offset: offsetIP + 6, size: asm.Byte, want: protocolUDP}, // next header
	}
	list = append(list, address(from.Addr(), offsetIP+8)...)
	return append(list, port(from.Port(), offsetUDP6)...)
}

// destination is what makes a datagram one to an address and port.
func destination(to netip.AddrPort) []condition {
	if to.Addr().Is4() {
		return append(port(to.Port(), offsetUDP4+2), address(to.Addr(), offsetIP+16)...)
	}
	return append(port(to.Port(), offsetUDP6+2), address(to.Addr(), offsetIP+24)...)
}

// address is that an address stands at an offset; nothing, if it is unspecified.
func address(a netip.Addr, offset int) (list []condition) {
	if a.IsUnspecified() {
		return nil
	}
	for i, b := 0, a.AsSlice(); i < len(b); i += 4 {
		list = append(list, condition{offset: offset + i, size: asm.Word, want: native32(b[i:])})
	}
	return list
}

// port is that a port stands at an offset; nothing, if it is 0.
func port(p uint16, offset int) []condition {
	if p == 0 {
		return nil
	}
	return []condition{{offset: offset, size: asm.Half, want: big16(p)}}
}

// label is where the look at destination i begins.
func label(i int) string { return fmt.Sprintf("destination %d", i) }

// instructions jump to otherwise where the condition is not met.
func (c condition) instructions(otherwise string) asm.Instructions {
	p := asm.Instructions{asm.LoadMem(asm.R1, regFrame, int16(c.offset), c.size)}
	if c.mask != 0 {
		p = append(p, asm.And.Imm(asm.R1, int32(c.mask)))
	}
	return append(p,
		asm.LoadImm(asm.R2, int64(c.want), asm.DWord), // as an immediate of a jump, 32 bits would be taken for signed
		asm.JNE.Reg(asm.R1, asm.R2, otherwise),
	)
}

// big16 is what the processor loads where a frame has v.
func big16(v uint16) uint32 {
	return uint32(binary.NativeEndian.Uint16(binary.BigEndian.AppendUint16(nil, v)))
}

func native32(b []byte) uint32 { return binary.NativeEndian.Uint32(b) }
