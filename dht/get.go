package dht

import (
	"net/netip"

	"supernode/dht/wire"
)

// get answers the query of BEP 44: the item under a target, a token to put one there, and the closest nodes.
//
// A value goes before nodes: of these, the farthest are left out until the reply fits. If the value does not fit
// even alone, because the query is so short that the reply would amplify it, or the item so large, then the reply is
// that of a node that does not have it, but for its sequence number.
func (n *Node) get(now Instant, src netip.AddrPort, m, r *wire.Message, room int) (code uint16, text []byte) {
	if m.Target == nil {
		return wire.CodeProtocol, textNoTarget
	}
	target := (*wire.ID)(m.Target)
	n.holdItems()
	it, _, stored := n.items.get(now, target)
	takes := n.trusts(m.ID, src) && (stored || n.items.takes(target, src.Addr()))
	n.freeItems()
	if takes {
		n.tokens.put(&n.scratch.token, now, src.Addr(), m.Target)
		r.Token = n.scratch.token[:]
	}
	if stored && it.key != nil {
		r.Has |= wire.HasSeq
		r.Seq = it.seq
	}
	n.nodes(src, m, r, m.Target)

	nodes, nodes6 := r.Nodes, r.Nodes6
	r.Nodes, r.Nodes6, r.IP = nil, nil, n.scratch.ip[:addrSize[familyOf(src.Addr())]]
	room -= len(r.Append(n.scratch.values[:0]))
	known := it.key != nil && m.Has&wire.HasSeq != 0 && m.Seq >= it.seq // the asker has as new a one
	if size := it.sizeInReply(); stored && !known && size <= room {
		r.Value, r.Key, r.Sig = it.value, it.key, it.sig
		room -= size
	}
	if familyOf(src.Addr()) == v4 {
		r.Nodes, room = fitNodes(nodes, v4, room)
		r.Nodes6, _ = fitNodes(nodes6, v6, room)
	} else {
		r.Nodes6, room = fitNodes(nodes6, v6, room)
		r.Nodes, _ = fitNodes(nodes, v4, room)
	}
	return 0, nil
}

// sizeInReply is how many bytes the item adds to a reply, its sequence number aside.
func (it *item) sizeInReply() int {
	n := len("1:v") + len(it.value)
	if it.key != nil {
		n += len("1:k32:") + len(it.key) + len("3:sig64:") + len(it.sig)
	}
	return n
}

// fitNodes is as many of the nodes, which are those of a family and nearest first, as fit into a reply that has room
// bytes left, and the room left then. No nodes at all are nil, and so are those that do not even have room for their
// key.
func fitNodes(nodes []byte, f family, room int) ([]byte, int) {
	const key = len("6:nodes6" + "304:")
	if nodes == nil || room < key {
		return nil, room
	}
	fit := min(len(nodes), (room-key)/nodeSize[f]*nodeSize[f])
	return nodes[:fit:fit], room - key - fit
}
