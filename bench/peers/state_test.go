package peers

import (
	"bytes"
	"encoding/binary"
	"errors"
	"net/netip"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/dht"
	"supernode/dht/wire"
)

// The node itself reads what is written, and knows all the nodes afterwards.
func TestWriteState(t *testing.T) {
	const count = 5000 // more than a block
	var nodes []byte
	for i := range count {
		id := wire.ID(bytes.Repeat([]byte{byte(i * 7)}, 20))
		binary.BigEndian.PutUint32(id[:], uint32(i)*858_993) // spread over the buckets
		nodes = append(nodes, id[:]...)
		nodes = wire.AppendAddr(nodes, netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, 64, byte(i >> 8), byte(i)}), 7000))
	}
	listen := netip.MustParseAddrPort("10.18.0.1:6883")
	created := time.Unix(1_700_000_000, 0)
	var file bytes.Buffer
	require.NoError(t, WriteState(&file, listen, nodes, created))

	state, err := dht.OpenState(bytes.NewReader(file.Bytes()))
	require.NoError(t, err)
	id, ok := state.ID(listen)
	require.True(t, ok)
	node, err := dht.New(dht.Config{ID: id, AllowPrivate: true, MaxNodes: 10 * count, Seed: [32]byte{1}})
	require.NoError(t, err)
	restored, err := state.Restore(0, 2*time.Second, []dht.Home{{Node: node, Listen: listen}})
	require.NoError(t, err)
	require.Greater(t, restored.Nodes, count*95/100)
	require.Empty(t, restored.Old, "all have answered lately")
}

func TestWriteStateFails(t *testing.T) {
	require.ErrorContains(t, WriteState(new(bytes.Buffer), netip.AddrPort{}, make([]byte, 25), time.Now()), "25 bytes are not compact nodes")
	full := errors.New("full")
	require.ErrorIs(t, WriteState(failing{full}, netip.MustParseAddrPort("10.0.0.1:1"), nil, time.Now()), full)
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
