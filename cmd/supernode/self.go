package main

import (
	"context"
	"encoding/hex"
	"log/slog"
	"net/netip"
	"slices"

	"supernode/dht/wire"
)

// self is who the node at a socket is to others, which changes when they agree that its address has (BEP 42).
type self struct {
	id       wire.ID
	external netip.Addr // the zero Addr while there is no agreement
}

func (s self) hexID() string { return hex.EncodeToString(s.id[:]) }

// move is a change of the self at a socket.
type move struct {
	listen      netip.AddrPort
	before, now self
}

// selfAt is the present self at a socket.
func (w *worker) selfAt(socket int) self {
	node := w.at[socket].node
	external4, external6 := node.External()
	if family(w.transport.Local()[socket].Addr()) == 0 {
		return self{node.ID(), external4}
	}
	return self{node.ID6(), external6}
}

// selves are the present selves, by socket.
func (w *worker) selves() []self {
	all := make([]self, len(w.at))
	for socket := range all {
		all[socket] = w.selfAt(socket)
	}
	return all
}

// notice tells whoever logs when a node's id or address is no longer what it was. The worker waits for nobody: with too
// many changes at a time, some are not told.
func (w *worker) notice() {
	for socket, before := range w.tally.selves {
		now := w.selfAt(socket)
		if now == before {
			continue
		}
		w.tally.selves = slices.Clone(w.tally.selves)
		w.tally.selves[socket] = now
		select {
		case w.moved <- move{w.transport.Local()[socket], before, now}:
		default:
		}
	}
}

// logMoves logs each change of an id or an external address, until ctx ends.
func logMoves(ctx context.Context, moved <-chan move, log *slog.Logger) {
	for {
		select {
		case <-ctx.Done():
			return
		case m := <-moved:
			if m.now.external != m.before.external {
				log.Info("others agree on our address", "listen", m.listen, "addr", m.now.external)
			}
			if m.now.id != m.before.id {
				log.Info("id changed to follow from our address", "listen", m.listen, "id", m.now.hexID())
			}
		}
	}
}

// external are the addresses at which others see the nodes, each once.
func external(selves []self) (addrs []netip.Addr) {
	for _, s := range selves {
		if s.external.IsValid() && !slices.Contains(addrs, s.external) {
			addrs = append(addrs, s.external)
		}
	}
	return addrs
}
