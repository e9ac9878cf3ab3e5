package dht

import (
	"bytes"
	"math/rand/v2"
	"testing"
	"time"
	"unsafe"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
	"supernode/dht/wire"
)

// itemModel is the item store without limits.
type itemModel map[wire.ID]modelItem

type modelItem struct {
	value, key, sig, salt string
	seq                   int64
	source                uint64
	expires               Instant // a multiple of a second
}

func modelOf(it *item) modelItem {
	return modelItem{value: string(it.value), key: string(it.key), sig: string(it.sig), salt: string(it.salt), seq: it.seq}
}

// requireWhole checks the bonds between the parts of a store: what is counted is there, every link is in one chain
// or free, every slot is found or free.
func requireWhole(t require.TestingT, s *itemStore) {
	links := make(map[uint32]bool)
	follow := func(next uint32) (n int) {
		for ; next != 0; next = s.chains.next(next - 1) {
			if links[next] {
				require.Fail(t, "a link is in two chains")
			}
			links[next] = true
			n++
		}
		return n
	}
	used, count := 0, 0
	held := newShares(s.limit, 1, &s.key)
	for i := range s.allocated {
		slot := s.slot(i)
		if slot.value == 0 {
			continue
		}
		count++
		held.add(slot.source)
		at, ok := s.find(&slot.target)
		require.True(t, ok && at == i, "slot %d is not found", i)
		n := follow(slot.first + 1)
		require.Equal(t, linksFor(slot.size()), n)
		used += n
	}
	require.Equal(t, s.count, count)
	require.Equal(t, s.chains.used, used)
	free := follow(s.chains.free)
	require.EqualValues(t, s.chains.made, used+free, "links are lost")
	freeSlots := 0
	for next := s.free; next != 0; next = s.slot(next - 1).first {
		require.Zero(t, s.slot(next-1).value)
		freeSlots++
	}
	require.EqualValues(t, s.allocated, count+freeSlots, "slots are lost")
	require.Equal(t, held.rows, s.held().rows, "the sources' shares are not what they have")
	require.LessOrEqual(t, s.count, s.limit)
	require.LessOrEqual(t, s.chains.used, s.chains.limit)
	require.LessOrEqual(t, s.bytes(), s.maxBytes())
}

// bytes is what the store has allocated, its index included.
func (s *itemStore) bytes() (n int) {
	for _, c := range s.slots {
		n += cap(c) * int(unsafe.Sizeof(itemSlot{}))
	}
	for _, c := range s.chains.chunks {
		n += cap(c)
	}
	n += s.index.segments * int(unsafe.Sizeof(segment{}))
	return n + s.held().bytes() + cap(s.budgets)*int(unsafe.Sizeof(checked{}))
}

// maxBytes is the bound the documentation gives.
func (s *itemStore) maxBytes() int {
	segments := int(unsafe.Sizeof(segment{})) + 21*s.limit
	return s.limit*(48+itemLinks*linkBytes+1) + segments + 1280 + 40_000
}

func TestItemStoreAgainstModel(t *testing.T) {
	require.EqualValues(t, 48, unsafe.Sizeof(itemSlot{}))
	rapid.Check(t, func(t *rapid.T) {
		limit := rapid.SampledFrom([]int{1, 3, 40}).Draw(t, "limit")
		start := rapid.SampledFrom(starts).Draw(t, "start")
		now := start - start%Instant(time.Second)
		s := newItemStore(limit, testKey, now)
		model := itemModel{}
		targets := rapid.Map(rapid.ByteRange(0, 60), filledID)
		links := func() (n int) {
			for _, m := range model {
				n += linksFor(len(m.key) + len(m.sig) + len(m.salt) + len(m.value))
			}
			return n
		}
		// forget removes from the model what the store was free to sweep.
		forget := func() {
			for target, m := range model {
				if _, held := s.find(&target); !held {
					if m.expires > now {
						t.Fatalf("%x is lost %v early", target, time.Duration(m.expires-now))
					}
					delete(model, target)
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"put": func(t *rapid.T) {
				target := targets.Draw(t, "target")
				it := anyItem(t)
				m := modelOf(&it)
				m.source = rapid.Uint64Range(0, 3).Draw(t, "source") // of one network
				age := time.Duration(rapid.IntRange(0, 7199).Draw(t, "age")) * time.Second
				m.expires = now.Add(itemLifetime - age)
				held, known := model[target]
				need := links() + linksFor(it.size())
				if known {
					need -= linksFor(len(held.key) + len(held.sig) + len(held.salt) + len(held.value))
					m.source = held.source
				}
				most := max(1, s.room()/sourceShare)
				ofSource, ofNetwork := 0, 0
				for _, have := range model {
					ofNetwork++
					if have.source == m.source {
						ofSource++
					}
				}
				share := m.source == nobody || ofSource < most && ofNetwork < networkSources*most
				want := (known || len(model) < limit && share) && need <= s.chains.limit
				if got := s.put(now, age, &target, &it, m.source); got != want {
					t.Fatalf("put with %d of %d items and %d of %d links: %v", len(model), limit, need, s.chains.limit, got)
				}
				if want {
					model[target] = m
				}
			},
			"refresh": func(t *rapid.T) {
				target := targets.Draw(t, "target")
				if i, ok := s.find(&target); ok {
					s.refresh(now, i)
					m := model[target]
					m.expires = now.Add(itemLifetime)
					model[target] = m
				}
			},
			"time": func(t *rapid.T) { now = now.Add(time.Duration(rapid.IntRange(0, 3600).Draw(t, "s")) * time.Second) },
			"sweep": func(t *rapid.T) {
				s.sweep(now)
				forget()
			},
			"sweep a whole turn": func(t *rapid.T) {
				s.sweep(now)
				now += sweepPeriod
				s.sweep(now)
				for target, m := range model {
					if _, held := s.find(&target); held && m.expires <= now-sweepPeriod {
						t.Fatalf("%x is still stored %v after its end", target, time.Duration(now-m.expires))
					}
				}
				forget()
			},
			"": func(t *rapid.T) {
				target := targets.Draw(t, "target")
				it, _, got := s.get(now, &target)
				m, want := model[target]
				if want = want && m.expires > now; got != want {
					t.Fatalf("get %x: %v, want %v", target, got, want)
				}
				if got {
					m.source, m.expires = 0, 0
					require.Equal(t, m, modelOf(&it))
				}
				requireWhole(t, s)
			},
		})
	})
}

// anyItem is an item with arbitrary content, not signed by anyone.
func anyItem(t *rapid.T) (it item) {
	fill := func(n int) []byte {
		return bytes.Repeat([]byte{rapid.Byte().Draw(t, "byte")}, n)
	}
	it.value = fill(rapid.SampledFrom([]int{1, 2, 28, 123, 124, 125, 500, 999, MaxValue}).Draw(t, "size"))
	if rapid.Bool().Draw(t, "mutable") {
		it.key, it.sig, it.salt = fill(32), fill(64), fill(rapid.SampledFrom([]int{0, 1, MaxSalt}).Draw(t, "salt"))
		it.seq = rapid.Int64Min(0).Draw(t, "seq")
	}
	return it
}

// TestItemMemory fills stores with items of one size each, and lets generations come and go: memory is within the
// documented bound, and follows the peak and not the sum.
func TestItemMemory(t *testing.T) {
	const limit = 5000
	for _, c := range []struct{ value, least int }{
		{2, limit}, {28, limit}, {300, limit}, {MaxValue, limit * itemLinks / 10},
	} {
		s := newItemStore(limit, testKey, 0)
		rng := rand.New(rand.NewPCG(1, 2))
		now, bytesOnce := Instant(0), 0
		for range 4 {
			stored := 0
			for range limit + 10 {
				it := item{value: make([]byte, c.value), key: make([]byte, 32), sig: make([]byte, 64), salt: make([]byte, 4)}
				target := wire.ID{}
				for i := range target {
					target[i] = byte(rng.Uint32())
				}
				full := s.full()
				took := s.put(now, 0, &target, &it, nobody)
				require.True(t, took || full, "refused, though not full")
				if took {
					stored++
				}
			}
			require.True(t, s.full())
			require.GreaterOrEqual(t, stored, c.least)
			requireWhole(t, s)
			if bytesOnce == 0 {
				bytesOnce = s.bytes() - s.index.segments*int(unsafe.Sizeof(segment{}))
			}
			for end := now.Add(itemLifetime) + 2*sweepPeriod; now < end; now += Instant(time.Second) {
				s.sweep(now)
			}
			require.Zero(t, s.count)
			require.Zero(t, s.chains.used)
		}
		require.Equal(t, bytesOnce, s.bytes()-s.index.segments*int(unsafe.Sizeof(segment{})))
		t.Logf("values of %d bytes: %d bytes in all", c.value, s.bytes())
	}
}

// TestItemsComeBack hands out everything in steps, with puts and expiry between them, and restores it elsewhere.
func TestItemsComeBack(t *testing.T) {
	now := Instant(time.Hour)
	n := newNode(t, Config{Start: now})
	put := func(now Instant, m wire.Message) {
		require.Zero(t, ask(t, n, now, addr4(9000), withToken(n, now, v4, m)).Code)
	}
	for i := range 150 {
		put(now, wire.Message{Method: wire.Put, Value: wire.AppendInt(nil, int64(i))})
	}
	put(now, mutablePut(1, "salt", 7, valueOf(MaxValue)))
	now = now.Add(30 * time.Minute)
	put(now, mutablePut(2, "", 0, []byte("1:v")))

	other := newItemStore(1000, hashKey{5, 6, 7, 8}, 0)
	later := Instant(-5 * time.Hour) // another process, another clock
	steps, handed := 0, 0
	for from, more := uint32(0), true; more; steps++ {
		before := handed
		from, more = n.items.each(now, from, func(it item, age time.Duration) bool {
			if handed++; handed == 70 {
				return false // no more room in this step
			}
			require.True(t, other.restore(later, age+time.Minute, it))
			require.False(t, other.restore(later, age, it), "twice")
			return true
		})
		require.LessOrEqual(t, handed-before, itemsAtOnce)
		n.items.sweep(now)
	}
	require.Equal(t, 153, handed, "all, one of them twice")
	require.Greater(t, steps, 2)
	require.Equal(t, 152, other.count)
	requireWhole(t, other)
	salted, fresh := MutableTarget(publicOf(keyPair(1)), []byte("salt")), MutableTarget(publicOf(keyPair(2)), nil)
	it, _, ok := other.get(later, &salted)
	require.True(t, ok)
	require.True(t, it.verify())
	require.EqualValues(t, 7, it.seq)
	for target, left := range map[wire.ID]time.Duration{salted: 89 * time.Minute, fresh: 119 * time.Minute} {
		_, _, ok := other.get(later.Add(left)-Instant(time.Second), &target)
		require.True(t, ok)
		_, _, ok = other.get(later.Add(left), &target)
		require.False(t, ok)
	}
}

// TestRestoreTrustsNothing: what a file says must be as good as what a stranger says.
func TestRestoreTrustsNothing(t *testing.T) {
	good := mutablePut(1, "salt", 7, []byte("1:v"))
	it := item{value: good.Value, key: good.Key, sig: good.Sig, salt: good.Salt, seq: good.Seq}
	change := func(f func(*item)) item {
		it := it
		f(&it)
		return it
	}
	for name, c := range map[string]struct {
		it   item
		age  time.Duration
		want bool
	}{
		"good":            {it, 0, true},
		"of the future":   {it, -time.Hour, true},
		"old":             {it, itemLifetime - time.Second, true},
		"too old":         {it, itemLifetime, false},
		"much too old":    {it, 1<<63 - 1, false},
		"forged":          {change(func(it *item) { it.seq++ }), 0, false},
		"key too short":   {change(func(it *item) { it.key = it.key[1:] }), 0, false},
		"empty key":       {change(func(it *item) { it.key = it.key[:0] }), 0, false},
		"sig too short":   {change(func(it *item) { it.sig = nil }), 0, false},
		"no value":        {item{}, 0, false},
		"immutable":       {item{value: []byte("i1e")}, 0, true},
		"not canonical":   {item{value: []byte("i01e")}, 0, false},
		"value too long":  {item{value: valueOf(MaxValue + 1)}, 0, false},
		"longest of all":  {item{value: valueOf(MaxValue)}, 0, true},
		"salt of 70,000 ": {change(func(it *item) { it.salt = make([]byte, 70_000) }), 0, false},
	} {
		s := newItemStore(10, testKey, 0)
		require.Equal(t, c.want, s.restore(0, c.age, c.it), name)
		requireWhole(t, s)
		if c.want {
			target := c.it.target()
			_, _, ok := s.get(Instant(itemLifetime)-1, &target)
			require.Equal(t, c.age <= 0, ok, "%s: lives too long", name)
		}
	}
	s := newItemStore(10, testKey, 0)
	require.True(t, s.restore(0, 0, it))
	older := mutablePut(1, "salt", 6, []byte("1:v"))
	require.False(t, s.restore(0, 0, item{value: older.Value, key: older.Key, sig: older.Sig, salt: older.Salt, seq: 6}))
}

func TestChains(t *testing.T) {
	p := chainPool{limit: 10}
	for _, n := range []int{1, linkData - 1, linkData, linkData + 1, 3 * linkData, 10 * linkData} {
		in := make([]byte, n)
		for i := range in {
			in[i] = byte(i * 7)
		}
		first := p.store(in[:n/3], nil, in[n/3:])
		require.Equal(t, linksFor(n), p.used)
		out := make([]byte, n)
		p.read(out, first)
		require.Equal(t, in, out)
		p.release(first)
		require.Zero(t, p.used)
	}
	require.EqualValues(t, 10, p.made)
	require.Len(t, p.chunks[0], 10*linkBytes)
}
