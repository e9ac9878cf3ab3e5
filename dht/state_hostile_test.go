package dht

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"
)

// seal mends the checksums of a state whose content was changed.
func seal(state []byte) []byte {
	if len(state) < stateHeaderSize {
		return state
	}
	putSum := func(b []byte) {
		binary.LittleEndian.PutUint32(b[len(b)-4:], crc32.Checksum(b[:len(b)-4], castagnoli))
	}
	putSum(state[:stateHeaderSize])
	for b := state[stateHeaderSize:]; len(b) >= blockHead+blockTail; {
		size := blockHead + int(binary.LittleEndian.Uint32(b)) + blockTail
		if size > len(b) {
			break
		}
		putSum(b[:size])
		b = b[size:]
	}
	return state
}

// TestStateRefused: whatever is wrong with a state is said, and it is never taken for a whole one.
func TestStateRefused(t *testing.T) {
	good := save(t, 0, homesOf(fuzzNode(t))...)
	change := func(at int, to ...byte) []byte {
		b := slices.Clone(good)
		copy(b[at:], to)
		return b
	}
	end := len(good) - blockHead - 8*int(stateKinds-1) - blockTail
	for name, c := range map[string]struct {
		state []byte
		says  string
	}{
		"empty":           {nil, "cut short"},
		"another program": {[]byte("#!/bin/sh\necho this is not what it should be"), "not a state"},
		"newer":           {seal(change(8, 2)), "of version 2, and this program knows 1 only"},
		"header":          {change(12, 9), "damaged: the header's checksum"},
		"block":           {change(stateHeaderSize+blockHead, 9), "damaged: the checksum of the block at byte 24"},
		"length":          {change(stateHeaderSize, 0, 0, 2), "claims to be"},
		"unknown kind":    {seal(change(stateHeaderSize+4, byte(stateKinds))), "of a newer version"},
		"home":            {seal(change(stateHeaderSize+4, byte(kindPeers))), "holds what it cannot"},
		"no home":         {seal(change(stateHeaderSize+4, byte(kindNodes))), "holds what it cannot"},
		"counts":          {seal(change(end+blockHead, 9)), "records of kind 1 where there should be"},
		"no end":          {good[:end], "cut short"},
		"behind the end":  {append(slices.Clone(good), 0), "goes on behind its end"},
	} {
		_, err := OpenState(bytes.NewReader(c.state))
		require.ErrorAs(t, err, new(StateError), name)
		require.ErrorContains(t, err, c.says, name)
	}
	for n := range good {
		_, err := OpenState(bytes.NewReader(good[:n]))
		require.ErrorContains(t, err, "cut short", "%d bytes", n)
		if n%7 != 0 {
			continue // each costs a copy and a walk
		}
		for _, flip := range []byte{1, 0x80} {
			_, err = OpenState(bytes.NewReader(change(n, good[n]^flip)))
			require.ErrorAs(t, err, new(StateError), "byte %d", n)
		}
	}
	_, err := OpenState(failingSeeker{iotest.ErrReader(io.ErrClosedPipe)})
	require.ErrorIs(t, err, io.ErrClosedPipe)
	require.False(t, errors.As(err, new(StateError)), "the state may be good")
}

type failingSeeker struct{ io.Reader }

func (failingSeeker) Seek(int64, int) (int64, error) { return 0, nil }

// FuzzState hands hostile files to the reader, as they are and with their checksums mended, and restores what it takes.
func FuzzState(f *testing.F) {
	f.Add(save(f, fuzzStart, homesOf(fuzzNode(f))...))
	f.Add(save(f, fuzzStart, homesOf(newNode(f, Config{}))[1:]...))
	f.Add(save(f, 0))
	f.Add([]byte(stateMagic))
	f.Fuzz(func(t *testing.T, state []byte) {
		for _, state := range [][]byte{state, seal(slices.Clone(state))} {
			s, err := OpenState(bytes.NewReader(state))
			if err != nil {
				require.ErrorAs(t, err, new(StateError))
				continue
			}
			require.LessOrEqual(t, 6*s.Nodes+6*s.Peers+26*len(s.Homes), len(state), "more than the file can hold")
			n := newNode(t, Config{MaxNodes: 64, MaxPeers: 60, Start: fuzzStart})
			r, err := s.Restore(fuzzStart, time.Minute, homesOf(n))
			require.NoError(t, err)
			c := n.Counts()
			require.LessOrEqual(t, max(c.Nodes4, c.Nodes6), 64)
			require.LessOrEqual(t, c.Peers, 60)
			require.LessOrEqual(t, len(r.Old), 2*maxOld)
			for _, table := range n.tables {
				for _, node := range knownTo(table, fuzzStart) {
					require.True(t, n.reach.allows(node.addr), node.addr)
				}
			}
			for _, peers := range stored(t, n.peers) {
				for addr, peer := range peers {
					require.True(t, n.reach.allows(netip.AddrPortFrom(addr, peer.port)), addr)
				}
			}
			open(t, save(t, fuzzStart, homesOf(n)...))
		}
	})
}

// TestStateMemory: a small hostile file costs little memory, whatever it claims.
func TestStateMemory(t *testing.T) {
	header := save(t, 0)[:stateHeaderSize]
	huge := binary.LittleEndian.AppendUint32(slices.Clone(header), maxBlock)
	huge = append(huge, byte(kindPeers), 1, 2, 3)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	_, err := OpenState(bytes.NewReader(huge))
	runtime.ReadMemStats(&after)
	require.ErrorContains(t, err, "cut short")
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(4*maxBlock))
}
