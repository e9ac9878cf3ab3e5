package main

import (
	"supernode/dht/wire"
)

// What a reply is counted by. Anything beyond counts as the last.
const (
	maxReplyBytes = 193 * 64 // some nodes send many times what a frame holds; in cache lines, see udp.MaxDatagram
	maxReplyNodes = 512
	maxReplyPeers = 2048
)

// replyTally is what the replies to one method were like: how many there were of each size.
type replyTally struct {
	bytes [maxReplyBytes + 1]uint32
	nodes [maxReplyNodes + 1]uint32
	peers [maxReplyPeers + 1]uint32
	wrong uint64
}

// add counts a reply of so many bytes.
func (t *replyTally) add(bytes, nodes, peers int, wrong bool) {
	t.bytes[min(bytes, maxReplyBytes)]++
	t.nodes[min(nodes, maxReplyNodes)]++
	t.peers[min(peers, maxReplyPeers)]++
	if wrong {
		t.wrong++
	}
}

// merge adds what another thread has counted.
func (t *replyTally) merge(o *replyTally) {
	for _, to := range [...]struct{ into, from []uint32 }{
		{t.bytes[:], o.bytes[:]}, {t.nodes[:], o.nodes[:]}, {t.peers[:], o.peers[:]},
	} {
		for i, n := range to.from {
			to.into[i] += n
		}
	}
	t.wrong += o.wrong
}

// judge says what a DHT node's answer to a method holds, and whether it is not what BEP 5 (and 32, for nodes6) asks for. An
// error is wrong, since nothing is asked but what a node has to answer. Compact nodes that are not a multiple of their
// length are none, says wire.Parse, and so is an id that has not 20 bytes.
func judge(method wire.Method, m *wire.Message) (nodes, peers int, wrong bool) {
	nodes = len(m.Nodes)/wire.CompactNode4 + len(m.Nodes6)/wire.CompactNode6
	peers, regular := countPeers(m.Values)
	wrong = m.Kind != wire.Response || m.ID == nil || !regular
	named := m.Nodes != nil || m.Nodes6 != nil
	switch method {
	case wire.FindNode:
		wrong = wrong || !named
	case wire.GetPeers:
		wrong = wrong || len(m.Token) == 0 || !named && m.Values == nil
	}
	return nodes, peers, wrong
}

// countPeers counts the strings of a bencoded list's inside, and says whether all of them are compact addresses. It
// is what of [wire.Message.Peers] is needed here, for a fraction of the time.
func countPeers(values []byte) (n int, regular bool) {
	const entry4, entry6 = 2 + wire.CompactAddr4, 3 + wire.CompactAddr6
	for len(values) > 0 {
		switch {
		case len(values) >= entry4 && values[0] == '6' && values[1] == ':':
			values = values[entry4:]
		case len(values) >= entry6 && values[0] == '1' && values[1] == '8' && values[2] == ':':
			values = values[entry6:]
		default:
			return n, false
		}
		n++
	}
	return n, true
}

// replyCount is what the result says of the replies to one method.
type replyCount struct {
	BytesP50 int    `json:"bytes_p50"`
	BytesP99 int    `json:"bytes_p99"`
	NodesP50 int    `json:"nodes_p50"`
	PeersP50 int    `json:"peers_p50"`
	Wrong    uint64 `json:"wrong"`
}

func (t *replyTally) count() replyCount {
	return replyCount{
		BytesP50: quantile(t.bytes[:], 0.50),
		BytesP99: quantile(t.bytes[:], 0.99),
		NodesP50: quantile(t.nodes[:], 0.50),
		PeersP50: quantile(t.peers[:], 0.50),
		Wrong:    t.wrong,
	}
}

// quantile is the smallest size that the part q of all does not exceed; counts has the number of each size.
func quantile(counts []uint32, q float64) int {
	var all, below uint64
	for _, n := range counts {
		all += uint64(n)
	}
	for size, n := range counts {
		if below += uint64(n); n > 0 && float64(below) >= q*float64(all) {
			return size
		}
	}
	return 0
}
