package xdp

import (
	"fmt"
	"io"
	"net/netip"

	"github.com/cilium/ebpf/asm"
)

const (
	offsetDNS = offsetUDP4 + sizeUDP
	sizeDNS   = 12   // of the header, RFC 1035, 4.1.1
	response  = 0x80 // of the third byte: QR
)

// ReflectDNS attaches to the interface a program that sends DNS queries to an IPv4 address and port back to where they came
// from, as responses without an answer, before the kernel's IP sees them: a server that does next to nothing. Responses have no
// UDP checksum, which IPv4 allows (RFC 768). All else goes on to the kernel. As with [Redirect], closing ends it.
func ReflectDNS(ifindex int, local [6]byte, to netip.AddrPort) (io.Closer, error) {
	if !to.Addr().Is4() || to.Port() == 0 {
		return nil, fmt.Errorf("reflect DNS queries to %v: to a port over IPv4 only, as IPv6 wants checksums", to)
	}
	a := &attachment{}
	if err := a.open(ifindex, reflector(local, to)); err != nil {
		return nil, err
	}
	return a, nil
}

// reflector is the program.
func reflector(local [6]byte, to netip.AddrPort) asm.Instructions {
	p := begin(offsetDNS + sizeDNS)
	anybody := netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	for _, c := range append(append(toUs(local), conditions(anybody)...), destination(to)...) {
		p = append(p, c.instructions(pass)...)
	}
	p = append(p,
		asm.LoadMem(asm.R1, regFrame, offsetDNS+2, asm.Byte),
		asm.JSet.Imm(asm.R1, response, pass), // it would be sent back and forth
		asm.Or.Imm(asm.R1, response),
		asm.StoreMem(regFrame, offsetDNS+2, asm.R1, asm.Byte),
		asm.StoreImm(regFrame, offsetUDP4+6, 0, asm.Half), // no checksum
	)
	// Addresses change places. The sum over them, and so IPv4's own checksum, is the same.
	for _, swap := range []struct {
		offset, other int16
		size          asm.Size
	}{
		{0, 6, asm.Word}, {4, 10, asm.Half}, // Ethernet
		{offsetIP + 12, offsetIP + 16, asm.Word},
		{offsetUDP4, offsetUDP4 + 2, asm.Half},
	} {
		p = append(p,
			asm.LoadMem(asm.R1, regFrame, swap.offset, swap.size),
			asm.LoadMem(asm.R2, regFrame, swap.other, swap.size),
			asm.StoreMem(regFrame, swap.offset, asm.R2, swap.size),
			asm.StoreMem(regFrame, swap.other, asm.R1, swap.size),
		)
	}
	return append(p,
		// Out of the link that it came by, as if it came by another: through a veth that arrives where the other end has GRO or an XDP
		// program, and XDP_TX only where it has the latter (veth_ndo_xdp_xmit and veth_xdp_flush, drivers/net/veth.c).
		asm.LoadMem(asm.R1, regContext, offsetInterface, asm.Word),
		asm.Mov.Imm(asm.R2, 0),
		asm.FnRedirect.Call(),
		asm.Return(),
		asm.Mov.Imm(asm.R0, xdpPass).WithSymbol(pass),
		asm.Return(),
	)
}
