package sim

import (
	"encoding/binary"
	"math/bits"
	"math/rand/v2"
	"slices"

	"supernode/dht"
	"supernode/dht/wire"
)

// maxFails is how many queries in a row a contact may leave unanswered before it is dropped (BEP 5: "bad").
const maxFails = 2

// compact is a compact IPv4 address.
type compact [wire.CompactAddr4]byte

// contact is a node that a client knows: it has answered a query. There is no pointer in it, since millions of
// them lie in memory.
type contact struct {
	id    wire.ID
	addr  compact
	fails uint8
	seen  uint32 // second in which it last answered, or asked something
}

// tree is an ordinary client's routing table (BEP 5): bucket b holds up to K nodes whose ids have just b bits in common
// with the client's own, the last one all that have more. When the last is full it is split; so the client knows its
// own neighbourhood, and ever less of what lies further away.
type tree struct {
	own     wire.ID
	buckets [][]contact
	renewed []uint32 // by bucket: second of the last lookup within it, plus one
	count   int
}

func newTree(own wire.ID) tree {
	return tree{own: own, buckets: make([][]contact, 1), renewed: make([]uint32, 1)}
}

// high is the first 64 bits of an id, by which distances are compared: honest ids do not collide in them.
func high(id *wire.ID) uint64 { return binary.BigEndian.Uint64(id[:]) }

func commonBits(a, b *wire.ID) int { return bits.LeadingZeros64(high(a) ^ high(b)) }

func (t *tree) bucketOf(id *wire.ID) int { return min(commonBits(id, &t.own), len(t.buckets)-1) }

// find is the contact with this id and address, or nil. It is valid until the tree changes.
func (t *tree) find(id *wire.ID, addr compact) *contact {
	bucket := t.buckets[t.bucketOf(id)]
	for i := range bucket {
		if bucket[i].addr == addr && bucket[i].id == *id {
			return &bucket[i]
		}
	}
	return nil
}

// wants says whether a node that is not in the tree would find a place in it.
func (t *tree) wants(id *wire.ID) bool {
	b := t.bucketOf(id)
	bucket := t.buckets[b]
	if len(bucket) < dht.K {
		return true
	}
	common, alike := commonBits(id, &t.own), 0
	for i := range bucket {
		if bucket[i].fails > 0 {
			return true
		}
		if b < len(t.buckets)-1 || commonBits(&bucket[i].id, &t.own) == common {
			alike++ // would share the bucket even if it were split
		}
	}
	return alike < dht.K
}

// answered records that a node answered a query from this address, and takes it in if there is a place.
func (t *tree) answered(id *wire.ID, addr compact, now uint32) {
	if *id == t.own {
		return
	}
	if c := t.find(id, addr); c != nil {
		c.seen, c.fails = now, 0
		return
	}
	for t.wants(id) {
		b := t.bucketOf(id)
		fresh := contact{id: *id, addr: addr, seen: now}
		if len(t.buckets[b]) < dht.K {
			t.buckets[b] = append(t.buckets[b], fresh)
			t.count++
			return
		}
		if i := slices.IndexFunc(t.buckets[b], func(c contact) bool { return c.fails > 0 }); i >= 0 {
			t.buckets[b][i] = fresh
			return
		}
		t.split()
	}
}

// split makes two buckets of the last.
func (t *tree) split() {
	last := len(t.buckets) - 1
	var stay, move []contact
	for _, c := range t.buckets[last] {
		if commonBits(&c.id, &t.own) == last {
			stay = append(stay, c)
		} else {
			move = append(move, c)
		}
	}
	t.buckets[last] = stay
	t.buckets = append(t.buckets, move)
	t.renewed = append(t.renewed, t.renewed[last])
}

// failed records that a node left a query unanswered, and drops it when it did so too often.
func (t *tree) failed(id *wire.ID, addr compact) {
	c := t.find(id, addr)
	if c == nil {
		return
	}
	if c.fails++; c.fails >= maxFails {
		b := t.bucketOf(id)
		t.buckets[b] = slices.DeleteFunc(t.buckets[b], func(c contact) bool { return c.addr == addr && c.id == *id })
		t.count--
	}
}

// nearby holds the K contacts closest to target that have not failed, closest first, without the one at an
// address. They are valid until the tree changes.
type nearby struct {
	n        int
	distance [dht.K]uint64
	contact  [dht.K]*contact
}

func (t *tree) nearest(found *nearby, target *wire.ID, without compact) {
	// Closest are those that share more bits with the target than the client does, then those that share as many, as
	// all behind that bucket do, then ever fewer.
	found.n = 0
	b := t.bucketOf(target)
	found.collect(t.buckets[b], target, without)
	if found.n == dht.K && b < len(t.buckets)-1 {
		return
	}
	for _, bucket := range t.buckets[b+1:] {
		found.collect(bucket, target, without)
	}
	for b--; b >= 0 && found.n < dht.K; b-- {
		found.collect(t.buckets[b], target, without)
	}
}

func (f *nearby) collect(bucket []contact, target *wire.ID, without compact) {
	for i := range bucket {
		c := &bucket[i]
		d := high(&c.id) ^ high(target)
		if c.fails > 0 || f.n == dht.K && d >= f.distance[dht.K-1] || c.addr == without {
			continue
		}
		f.n = min(f.n+1, dht.K)
		at := f.n - 1
		for ; at > 0 && d < f.distance[at-1]; at-- {
			f.distance[at], f.contact[at] = f.distance[at-1], f.contact[at-1]
		}
		f.distance[at], f.contact[at] = d, c
	}
}

// within is a random id that belongs into bucket b.
func (t *tree) within(b int, rng *rand.Rand) wire.ID {
	target := t.own
	random := rng.Uint64() >> b
	if b < len(t.buckets)-1 {
		random |= 1 << (63 - b) // differs from the own id in bit b
	}
	binary.BigEndian.PutUint64(target[:], high(&target)^random)
	return target
}
