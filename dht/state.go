package dht

import (
	"encoding/binary"
	"hash/crc32"
	"net/netip"
)

// A saved state is what a node knows, in a form that outlives the process: a header and blocks, each with a checksum,
// the last of which counts what was in the others. docs/state.md has the layout. All numbers are little-endian, except
// in compact addresses.
const (
	stateMagic   = "SNSTATE\n"
	stateVersion = 1

	// magic, version (4), creation in seconds since 1970 (8), CRC-32C of all that (4)
	stateHeaderSize = len(stateMagic) + 4 + 8 + 4

	// A block is the length of its payload (4), its kind (1), the payload, and the CRC-32C of all that (4).
	blockHead = 4 + 1
	blockTail = 4
	maxBlock  = 64 << 10 // bytes of payload
	maxHomes  = 1 << 10
	swarmHead = 20 + 1 + 2 // info_hash, family, number of peers
)

// stateKind says what the payload of a block is. A reader refuses kinds it does not know: a state with a part left out
// would be saved again without it.
type stateKind uint8

const (
	kindEnd   stateKind = iota // for each kind from kindHome on, how many records there were (8 bytes)
	kindHome                   // one record: a Home's compact address and id; nodes behind it are of its table
	kindNodes                  // compact nodes of the home's family, each with a flagged: age of the last answer, failing
	kindPeers                  // swarms: info_hash, family, number of peers, so many compact addresses, each with
	//                             a flagged: time left to live, seed

	kindItems //                   items of BEP 44: a flagged (age of the last put, mutable), length of the value, value, and
	//                             if mutable key, signature, sequence number, length of the salt, salt

	stateKinds
)

// stateCounts are numbers of records by kind, the first of which (kindEnd) is not used: homes, nodes, peers, items.
type stateCounts [stateKinds]uint64

// Home is one address family of a node, under the address that the embedder listens on. Saved ids are found again by
// that address: a node that is moved to another one gets a new id there and leaves the old one behind.
//
// A node with sockets of both families has two homes. Its address is for comparison only and may be unspecified, or
// have port 0; a zone is left out.
type Home struct {
	Node   *Node
	Listen netip.AddrPort
}

func (h Home) family() family { return familyOf(h.Listen.Addr().Unmap()) }

func (h Home) table() *table { return h.Node.tables[h.family()] }

// StateError says why a saved state is of no use: cut short, damaged, of another program or of a newer version.
// Nothing about the state will get better by reading it again.
type StateError string

func (e StateError) Error() string { return string(e) }

// flagged is a number of seconds in 15 bits with one bit of another meaning.
type flagged uint16

const (
	flaggedMax  = 1<<15 - 1
	flaggedBit  = 1 << 15
	flaggedSize = 2
)

// newFlagged limits seconds to what fits.
func newFlagged(seconds int64, flag bool) flagged {
	v := flagged(min(max(seconds, 0), flaggedMax))
	if flag {
		v |= flaggedBit
	}
	return v
}

func (v flagged) seconds() int64 { return int64(v & flaggedMax) }
func (v flagged) flag() bool     { return v&flaggedBit != 0 }

func appendFlagged(dst []byte, v flagged) []byte {
	return binary.LittleEndian.AppendUint16(dst, uint16(v))
}

func readFlagged(b []byte) flagged { return flagged(binary.LittleEndian.Uint16(b)) }

// beginBlock appends a block's head behind dst, whose length endBlock fills in; start is where the block begins.
func beginBlock(dst []byte, k stateKind) (out []byte, start int) {
	return append(dst, 0, 0, 0, 0, byte(k)), len(dst)
}

// endBlock completes the block that begins at start. A block without payload is taken back.
func endBlock(dst []byte, start int) []byte {
	payload := len(dst) - start - blockHead
	if payload == 0 {
		return dst[:start]
	}
	binary.LittleEndian.PutUint32(dst[start:], uint32(payload))
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst[start:], castagnoli))
}
