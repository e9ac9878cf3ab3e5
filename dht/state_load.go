package dht

import (
	"bufio"
	"crypto/ed25519"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/netip"
	"time"

	"supernode/dht/wire"
)

// State is a saved state that has been read once from end to end and found whole.
type State struct {
	Created time.Time // by the wall clock of the host that saved it
	Homes   []SavedHome
	Nodes   int // in all homes
	Peers   int
	Items   int

	r io.ReadSeeker
}

// SavedHome is what a state knows of one home beside its nodes.
type SavedHome struct {
	Listen netip.AddrPort
	ID     wire.ID
	Nodes  int
}

// OpenState reads r from its start and checks all of it, so that nothing is taken from a state whose end is not to be
// had. It returns a StateError for a state that is of no use, and other errors of r as they are. The result reads r
// again; r stays the caller's.
//
// Memory is bounded by a block and a home for every 30 bytes read, 1024 at most, whatever r holds.
func OpenState(r io.ReadSeeker) (*State, error) {
	s := &State{r: r}
	if err := s.walk(&census{s}); err != nil {
		return nil, err
	}
	return s, nil
}

// ID is the id that was saved under a listening address; ok is false if there is none.
func (s *State) ID(listen netip.AddrPort) (id wire.ID, ok bool) {
	for i := range s.Homes {
		if s.Homes[i].Listen == homeAddr(listen) {
			return s.Homes[i].ID, true
		}
	}
	return id, false
}

// homeAddr is a listening address as a state has it.
func homeAddr(a netip.AddrPort) netip.AddrPort {
	return netip.AddrPortFrom(a.Addr().Unmap().WithZone(""), a.Port())
}

// stateVisitor is shown the records of a state in their order. All slices are views, valid during the call.
type stateVisitor interface {
	home(SavedHome)
	// node shows a node of the home last shown, and how long before the state's creation it last answered.
	node(id *wire.ID, addr []byte, age flagged)
	// swarm shows records of a compact address and what a peer had left to live, at least one.
	swarm(infohash *wire.ID, f family, records []byte)
	// item shows an item, not yet verified, and how long before the state's creation it was last put.
	item(it item, age flagged)
}

// census takes down what State says of itself.
type census struct{ s *State }

func (c *census) home(h SavedHome) { c.s.Homes = append(c.s.Homes, h) }

func (c *census) node(*wire.ID, []byte, flagged) {
	c.s.Nodes++
	c.s.Homes[len(c.s.Homes)-1].Nodes++
}

func (c *census) swarm(_ *wire.ID, f family, records []byte) {
	c.s.Peers += len(records) / (addrSize[f] + flaggedSize)
}

func (c *census) item(item, flagged) { c.s.Items++ }

// stateReader reads blocks.
type stateReader struct {
	in      *bufio.Reader
	read    int64 // bytes
	block   []byte
	visitor stateVisitor
	family  family // of the home last read
	counts  stateCounts
}

// walk reads the whole state and shows v its records.
func (s *State) walk(v stateVisitor) error {
	if _, err := s.r.Seek(0, io.SeekStart); err != nil {
		return fmt.Errorf("go to the start of the state: %w", err)
	}
	r := &stateReader{in: bufio.NewReaderSize(s.r, maxBlock), visitor: v}
	var err error
	if s.Created, err = r.header(); err != nil {
		return err
	}
	for {
		at := r.read
		kind, payload, err := r.next()
		if err != nil {
			return err
		}
		if kind == kindEnd {
			return r.end(payload)
		}
		if !r.records(kind, payload) {
			return StateError(fmt.Sprintf("damaged: the block at byte %d holds what it cannot", at))
		}
	}
}

// fill reads all of b. The end of the file within it is what cutting a state short leaves.
func (r *stateReader) fill(b []byte) error {
	n, err := io.ReadFull(r.in, b)
	r.read += int64(n)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return StateError(fmt.Sprintf("cut short: ends after %d bytes", r.read))
	}
	if err != nil {
		return fmt.Errorf("read the state: %w", err)
	}
	return nil
}

func (r *stateReader) header() (created time.Time, err error) {
	var b [stateHeaderSize]byte
	if err := r.fill(b[:]); err != nil {
		return created, err
	}
	if string(b[:len(stateMagic)]) != stateMagic {
		return created, StateError("not a state of supernode's")
	}
	fields := b[len(stateMagic):]
	// The version comes first: a newer one may have another header.
	if v := binary.LittleEndian.Uint32(fields); v != stateVersion {
		return created, StateError(fmt.Sprintf("of version %d, and this program knows %d only", v, stateVersion))
	}
	if crc32.Checksum(b[:len(b)-4], castagnoli) != binary.LittleEndian.Uint32(b[len(b)-4:]) {
		return created, StateError("damaged: the header's checksum is wrong")
	}
	return time.Unix(int64(binary.LittleEndian.Uint64(fields[4:])), 0), nil
}

// next reads one block. The payload is valid until the next call.
func (r *stateReader) next() (kind stateKind, payload []byte, err error) {
	at := r.read
	var head [blockHead]byte
	if err := r.fill(head[:]); err != nil {
		return 0, nil, err
	}
	length := binary.LittleEndian.Uint32(head[:])
	if length > maxBlock {
		return 0, nil, StateError(fmt.Sprintf("damaged: the block at byte %d claims to be %d bytes long", at, length))
	}
	if r.block == nil {
		r.block = make([]byte, maxBlock+blockTail)
	}
	block := r.block[:length+blockTail]
	if err := r.fill(block); err != nil {
		return 0, nil, err
	}
	payload, kind = block[:length], stateKind(head[4])
	sum := crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, payload)
	if sum != binary.LittleEndian.Uint32(block[length:]) {
		return 0, nil, StateError(fmt.Sprintf("damaged: the checksum of the block at byte %d is wrong", at))
	}
	if kind >= stateKinds {
		return 0, nil, StateError(fmt.Sprintf("of a newer version: the block at byte %d is of kind %d", at, kind))
	}
	return kind, payload, nil
}

// records shows the records of a block. It reports false if they are not what the kind says.
func (r *stateReader) records(kind stateKind, payload []byte) bool {
	switch kind {
	case kindHome:
		return r.home(payload)
	case kindNodes:
		return r.nodes(payload)
	case kindPeers:
		return r.peers(payload)
	case kindItems:
		return r.items(payload)
	}
	return false
}

func (r *stateReader) home(payload []byte) bool {
	if len(payload) != nodeSize[v4] && len(payload) != nodeSize[v6] || r.counts[kindHome] == maxHomes {
		return false
	}
	addr := payload[:len(payload)-20]
	h := SavedHome{Listen: wire.Addr(addr), ID: wire.ID(payload[len(addr):])}
	r.family = familyOf(h.Listen.Addr())
	r.counts[kindHome]++
	r.visitor.home(h)
	return true
}

func (r *stateReader) nodes(payload []byte) bool {
	size := nodeSize[r.family] + flaggedSize
	if len(payload)%size != 0 || r.counts[kindHome] == 0 {
		return false
	}
	for ; len(payload) > 0; payload = payload[size:] {
		r.counts[kindNodes]++
		r.visitor.node((*wire.ID)(payload), payload[20:nodeSize[r.family]], readFlagged(payload[size-flaggedSize:]))
	}
	return true
}

func (r *stateReader) peers(payload []byte) bool {
	for len(payload) > 0 {
		if len(payload) < swarmHead || payload[20] >= families {
			return false
		}
		f, n := family(payload[20]), int(binary.LittleEndian.Uint16(payload[21:]))
		infohash, records := (*wire.ID)(payload), payload[swarmHead:]
		size := n * (addrSize[f] + flaggedSize)
		if n == 0 || size > len(records) {
			return false
		}
		r.counts[kindPeers] += uint64(n)
		r.visitor.swarm(infohash, f, records[:size])
		payload = records[size:]
	}
	return true
}

func (r *stateReader) items(payload []byte) bool {
	const head, mutable = flaggedSize + 2, ed25519.PublicKeySize + ed25519.SignatureSize + 8 + 1
	for len(payload) > 0 {
		if len(payload) < head {
			return false
		}
		age, size := readFlagged(payload), int(binary.LittleEndian.Uint16(payload[flaggedSize:]))
		if payload = payload[head:]; len(payload) < size {
			return false
		}
		it := item{value: payload[:size:size]}
		payload = payload[size:]
		if age.flag() {
			if len(payload) < mutable || len(payload) < mutable+int(payload[mutable-1]) {
				return false
			}
			end := mutable + int(payload[mutable-1])
			it.key, it.sig = payload[:ed25519.PublicKeySize:ed25519.PublicKeySize], payload[ed25519.PublicKeySize:ed25519.PublicKeySize+ed25519.SignatureSize]
			it.seq = int64(binary.LittleEndian.Uint64(payload[ed25519.PublicKeySize+ed25519.SignatureSize:]))
			it.salt = payload[mutable:end:end]
			payload = payload[end:]
		}
		r.counts[kindItems]++
		r.visitor.item(it, age)
	}
	return true
}

// end checks the counts of the last block, and that it is the last. Kinds of records that came later than the state
// have no count in it.
func (r *stateReader) end(payload []byte) error {
	for kind := kindHome; kind < stateKinds; kind++ {
		want := uint64(0)
		if len(payload) >= 8 {
			want, payload = binary.LittleEndian.Uint64(payload), payload[8:]
		}
		if have := r.counts[kind]; have != want {
			return StateError(fmt.Sprintf("damaged: %d records of kind %d where there should be %d", have, kind, want))
		}
	}
	if _, err := r.in.ReadByte(); len(payload) > 0 || err != io.EOF {
		return StateError("damaged: goes on behind its end")
	}
	return nil
}
