package dht

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"supernode/dht/wire"
)

// kept are the items of a node by target, as copies.
func kept(n *Node, now Instant) map[wire.ID]item {
	items := map[wire.ID]item{}
	for from, more := uint32(0), true; more; {
		from, more = n.items.each(now, from, func(it item, _ time.Duration) bool {
			items[it.target()] = item{
				value: slices.Clone(it.value), key: slices.Clone(it.key), sig: slices.Clone(it.sig),
				salt: append([]byte{}, it.salt...), seq: it.seq,
			}
			return true
		})
	}
	return items
}

// TestStateItems: items come back as they were, mutable and not, of all sizes, for what is left of their two hours.
func TestStateItems(t *testing.T) {
	saver := newNode(t, Config{})
	const count = 300 // so that they take several parts
	for i := range count {
		m := wire.Message{Method: wire.Put, Value: wire.AppendString(nil, bytes.Repeat([]byte{byte(i)}, 3*i+1))}
		if i%2 == 0 {
			m = mutablePut(byte(i), string(bytes.Repeat([]byte("s"), i%(MaxSalt+1))), int64(i), m.Value)
		}
		src := addr4(i)
		at := item{value: m.Value, key: m.Key, salt: m.Salt}
		target := at.target()
		var token [tokenSize]byte
		saver.tokens.put(&token, 0, src.Addr(), target[:])
		m.Token = token[:]
		require.Zero(t, ask(t, saver, 0, src, m).Code, i)
	}
	saved := kept(saver, 0)
	require.Len(t, saved, count)
	now := Instant(10 * time.Minute)
	state := save(t, now, homesOf(saver)...)

	for away, want := range map[time.Duration]int{0: count, 109 * time.Minute: count, 110 * time.Minute: 0} {
		n := newNode(t, Config{Seed: [32]byte{9}, Start: now})
		s := open(t, state)
		require.Equal(t, count, s.Items)
		r, err := s.Restore(now, away, homesOf(n))
		require.NoError(t, err)
		require.Equal(t, want, r.Items, away)
		require.Equal(t, want, n.Counts().Items)
		if want > 0 {
			require.Equal(t, saved, kept(n, now))
			left := 2*time.Hour - 10*time.Minute - away
			require.Empty(t, kept(n, now.Add(left+time.Second)), away)
		}
	}
}

// TestStateItemForged: who writes the file cannot put words into another's mouth.
func TestStateItemForged(t *testing.T) {
	m := mutablePut(1, "", 1, []byte("5:right"))
	for name, it := range map[string]item{
		"value":         {value: []byte("5:wrong"), key: m.Key, sig: m.Sig, seq: 1},
		"seq":           {value: m.Value, key: m.Key, sig: m.Sig, seq: 2},
		"not canonical": {value: []byte("d1:bi1e1:ai1ee")},
		"too long":      {value: wire.AppendString(nil, make([]byte, MaxValue))},
		"good":          {value: m.Value, key: m.Key, sig: m.Sig, seq: 1},
	} {
		b, start := beginBlock(nil, kindItems)
		b = endBlock(appendItem(b, &it, 0), start)
		n := newNode(t, Config{})
		home := homesOf(n)
		r := &restorer{homes: home}
		reader := stateReader{visitor: r}
		require.True(t, reader.records(kindItems, b[blockHead:len(b)-blockTail]), name)
		want := 0
		if name == "good" {
			want = 1
		}
		require.Equal(t, want, n.Counts().Items, name)
	}
}
