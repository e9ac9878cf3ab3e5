package main

import (
	"context"
	"encoding/hex"
	"log/slog"
	"net/netip"

	"supernode/dht"
	"supernode/dht/wire"
)

// self is who the node is to others, which changes when they agree that its address has (BEP 42).
type self struct {
	id, id6  wire.ID       // among IPv4 and IPv6 nodes
	external [2]netip.Addr // by family; the zero Addr while there is no agreement
}

func selfOf(n *dht.Node) self {
	s := self{id: n.ID(), id6: n.ID6()}
	s.external[0], s.external[1] = n.External()
	return s
}

// notice tells whoever logs when the node's ids or addresses are no longer what they were. The worker waits for
// nobody: with too many changes at a time, some are not told.
func (w *worker) notice() {
	now := selfOf(w.node)
	if now == w.tally.self {
		return
	}
	w.tally.self = now
	select {
	case w.moved <- now:
	default:
	}
}

// logMoves logs each change of the ids and the external addresses from before on, until ctx ends.
func logMoves(ctx context.Context, before self, moved <-chan self, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-moved:
			for f, addr := range now.external {
				if addr != before.external[f] {
					log.Info("others agree on our address", "addr", addr)
				}
			}
			if now.id != before.id {
				log.Info("id changed to follow from our address", "id", hex.EncodeToString(now.id[:]))
			}
			if now.id6 != before.id6 {
				log.Info("id changed to follow from our address", "id6", hex.EncodeToString(now.id6[:]))
			}
			before = now
		}
	}
}

// text is an address for people, and nothing if there is none.
func text(a netip.Addr) string {
	if !a.IsValid() {
		return ""
	}
	return a.String()
}
