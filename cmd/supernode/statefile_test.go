package main

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
	"time"

	"supernode/dht/wire"
)

// stateWriter makes saved states as docs/state.md has them, so that tests can have any they like, and so that it is
// the documentation that the command agrees with.
type stateWriter struct {
	state  []byte
	counts [3]uint64 // homes, nodes, peers
	block  int       // where the open block begins
}

const stateVersion1 = 1

func newStateWriter(created time.Time, version uint32) *stateWriter {
	w := &stateWriter{state: []byte("SNSTATE\n")}
	w.state = binary.LittleEndian.AppendUint32(w.state, version)
	w.state = binary.LittleEndian.AppendUint64(w.state, uint64(created.Unix()))
	w.sum(0)
	return w
}

func (w *stateWriter) sum(from int) {
	w.state = binary.LittleEndian.AppendUint32(w.state,
		crc32.Checksum(w.state[from:], crc32.MakeTable(crc32.Castagnoli)))
}

func (w *stateWriter) begin(kind byte) {
	w.block = len(w.state)
	w.state = append(w.state, 0, 0, 0, 0, kind)
}

func (w *stateWriter) end() {
	binary.LittleEndian.PutUint32(w.state[w.block:], uint32(len(w.state)-w.block-5))
	w.sum(w.block)
}

// room ends the block and begins another of the kind when it has no place for so many bytes more.
func (w *stateWriter) room(kind byte, bytes int) {
	if len(w.state)-w.block-5+bytes > 64<<10 {
		w.end()
		w.begin(kind)
	}
}

func (w *stateWriter) home(listen netip.AddrPort, id wire.ID) {
	w.begin(1)
	w.state = append(wire.AppendAddr(w.state, listen), id[:]...)
	w.end()
	w.counts[0]++
}

// nodes adds n nodes of the last home, an IPv4 one, who answered so many seconds ago.
func (w *stateWriter) nodes(n int, age uint16, node func(i int) (wire.ID, netip.AddrPort)) {
	w.begin(2)
	for i := range n {
		w.room(2, 28)
		id, addr := node(i)
		w.state = binary.LittleEndian.AppendUint16(wire.AppendNode(w.state, id, addr), age)
	}
	w.end()
	w.counts[1] += uint64(n)
}

// peers adds n info_hashes with one IPv4 peer each, who have so many seconds to live.
func (w *stateWriter) peers(n int, left uint16, peer func(i int) (wire.ID, netip.AddrPort)) {
	w.begin(3)
	for i := range n {
		w.room(3, 31)
		infohash, addr := peer(i)
		w.state = append(append(w.state, infohash[:]...), 0, 1, 0)
		w.state = binary.LittleEndian.AppendUint16(wire.AppendAddr(w.state, addr), left)
	}
	w.end()
	w.counts[2] += uint64(n)
}

func (w *stateWriter) finish() []byte {
	w.begin(0)
	for _, n := range w.counts {
		w.state = binary.LittleEndian.AppendUint64(w.state, n)
	}
	w.end()
	return w.state
}

// scattered is 20 bytes that look random and differ for each i.
func scattered(i int) (id wire.ID) {
	x := uint64(i) + 1
	for at := 0; at < len(id); at += 4 {
		x = x*6364136223846793005 + 1442695040888963407
		binary.BigEndian.PutUint32(id[at:], uint32(x>>32))
	}
	return id
}

// loopbackPeer is the i-th of many peers on loopback addresses.
func loopbackPeer(i int) (wire.ID, netip.AddrPort) {
	return scattered(i), netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, byte(1 + i>>16), byte(i >> 8), byte(i)}), 6881)
}
