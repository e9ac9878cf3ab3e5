package peers

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"net/netip"
	"time"
)

// StateFile is what supernode calls the file in its --state-dir.
const StateFile = "state"

// The format of docs/state.md: kinds of blocks, and sizes in bytes.
const (
	stateEnd, stateHome, stateNodes = 0, 1, 2

	compactNode = 20 + 4 + 2
	perBlock    = 2000 // nodes
	maxAge      = 900  // seconds: a node is asked again every quarter of an hour
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// WriteState writes a saved state of supernode, in which the one that listens on listen (IPv4) knows nodes, compact node
// info of 26 bytes each. That is what a table of a million is filled with in seconds: a node verifies no more than a
// thousand strangers a second. They have last answered within the quarter of an hour before created, evenly.
func WriteState(w io.Writer, listen netip.AddrPort, nodes []byte, created time.Time) error {
	if len(nodes)%compactNode != 0 {
		return fmt.Errorf("write state: %d bytes are not compact nodes of %d bytes", len(nodes), compactNode)
	}
	head := binary.LittleEndian.AppendUint32([]byte("SNSTATE\n"), 1)
	head = binary.LittleEndian.AppendUint64(head, uint64(created.Unix()))
	out := &stateWriter{w: w}
	out.write(binary.LittleEndian.AppendUint32(head, crc32.Checksum(head, castagnoli)))

	home := listen.Addr().AsSlice()
	home = binary.BigEndian.AppendUint16(home, listen.Port())
	out.block(stateHome, append(home, bytes.Repeat([]byte{0x5a}, 20)...))

	count := len(nodes) / compactNode
	for first := 0; first < count; first += perBlock {
		var block []byte
		for i := first; i < min(first+perBlock, count); i++ {
			block = append(block, nodes[i*compactNode:(i+1)*compactNode]...)
			block = binary.LittleEndian.AppendUint16(block, uint16(i%maxAge))
		}
		out.block(stateNodes, block)
	}
	end := binary.LittleEndian.AppendUint64(nil, 1) // homes
	end = binary.LittleEndian.AppendUint64(end, uint64(count))
	out.block(stateEnd, append(end, make([]byte, 2*8)...)) // peers and items
	return out.err
}

// stateWriter writes until the first error.
type stateWriter struct {
	w   io.Writer
	err error
}

func (s *stateWriter) write(b []byte) {
	if s.err != nil {
		return
	}
	if _, err := s.w.Write(b); err != nil {
		s.err = fmt.Errorf("write state: %w", err)
	}
}

func (s *stateWriter) block(kind byte, payload []byte) {
	b := binary.LittleEndian.AppendUint32(nil, uint32(len(payload)))
	b = append(append(b, kind), payload...)
	s.write(binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli)))
}
