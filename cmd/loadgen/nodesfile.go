package main

import (
	"bufio"
	"errors"
	"fmt"
	"net/netip"
	"os"

	"supernode/dht/wire"
)

// writeNodes writes what node each flow is, in order, to a file: compact node info (BEP 5, and 32 for IPv6), an id and
// an address with its port. So a program can tell the target about all of them without sending it a query from each.
func (e *engine) writeNodes(name string) error {
	if e.layout.block.count == 0 {
		return errors.New("--nodes-file: the flows have no addresses of their own, give some with --sources")
	}
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("--nodes-file: %w", err)
	}
	w := bufio.NewWriterSize(file, 1<<16)
	var room [wire.CompactNode6]byte
	for flow := range uint32(e.layout.flows) {
		derive(&e.id, e.seed, kindFlow, flow)
		port := e.transport.Local()[e.layout.socket(flow)].Port()
		node := wire.AppendAddr(append(room[:0], e.id[:]...), netip.AddrPortFrom(e.layout.source(flow), port))
		if _, err := w.Write(node); err != nil {
			break // Flush returns the same error
		}
	}
	if err := errors.Join(w.Flush(), file.Close()); err != nil {
		return fmt.Errorf("--nodes-file: %w", err)
	}
	return nil
}
