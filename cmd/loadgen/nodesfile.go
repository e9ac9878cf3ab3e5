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
func (c *crew) writeNodes(name string) error {
	if c.lead.layout.block.count == 0 {
		return errors.New("--nodes-file: the flows have no addresses of their own, give some with --sources")
	}
	file, err := os.Create(name)
	if err != nil {
		return fmt.Errorf("--nodes-file: %w", err)
	}
	w := bufio.NewWriterSize(file, 1<<16)
	for _, e := range c.engines {
		e.appendNodes(w)
	}
	if err := errors.Join(w.Flush(), file.Close()); err != nil {
		return fmt.Errorf("--nodes-file: %w", err)
	}
	return nil
}

// appendNodes writes the engine's flows. Errors are kept by w, whose Flush returns the first.
func (e *engine) appendNodes(w *bufio.Writer) {
	var id wire.ID
	var room [wire.CompactNode6]byte
	for flow := range uint32(e.layout.flows) {
		derive(&id, e.seed, kindFlow, e.layout.first+flow)
		port := e.transport.Local()[e.layout.socket(flow)].Port()
		node := wire.AppendAddr(append(room[:0], id[:]...), netip.AddrPortFrom(e.layout.source(flow), port))
		if _, err := w.Write(node); err != nil {
			return
		}
	}
}
