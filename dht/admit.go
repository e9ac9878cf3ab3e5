package dht

import (
	"slices"

	"supernode/dht/wire"
)

// What a node's place in the table is worth. Whether its id complies with BEP 42 tells how freely it was chosen; a node
// that has left a query unanswered is gone in seconds, or proves to be there.
const (
	failing = iota
	failingSecure
	sound
	soundSecure
)

func (t *table) standing(s slot) int {
	standing := failing
	blob := t.blob(s)
	if secureOK(blob[:20], blob[20:]) {
		standing = failingSecure
	}
	if !t.isFailing(s) {
		standing += sound - failing
	}
	return standing
}

// yields says whether a node of that standing makes room for a new one, which has just answered. A compliant one is
// never displaced by another that is not, and among equals the old one stays: it has proved more.
func yields(standing int, toSecure bool) bool {
	return standing == failing || toSecure && standing < soundSecure
}

// admit takes in a node whose address is not in the table, if the bounds leave room or a node yields. Two must make room
// for it, or it stays out: its host's least worthy node, if mate is not nil, and whoever has its id. An id belongs to
// who had it first, but not to a squatter when the one comes for whom BEP 42 made it. admit reports whether the node
// is in; nothing changes otherwise.
func (t *table) admit(id *wire.ID, addr []byte, now uint32, mate *slot) bool {
	bucket, secure := t.bucketOf(id[:]), secureOK(id[:], addr)
	var slots [3]slot
	leaving := slots[:0]
	if mate != nil {
		leaving = append(leaving, *mate)
	}
	if holder, ok := t.holder(bucket, id); ok && !slices.Contains(leaving, holder) {
		leaving = append(leaving, holder)
	}
	near, far := t.subnets.full(t.family, addr)
	full := t.count >= t.limit && len(leaving) == 0
	ofSubnet, ofNet := t.subnets.counters(t.family, addr)
	for _, s := range leaving {
		if !yields(t.standing(s), secure) {
			return false
		}
		subnet, net := t.subnets.counters(t.family, t.blob(s)[20:])
		near, far = near && subnet != ofSubnet, far && net != ofNet
	}
	inBucket, inSubnet := 0, 0
	for s := range t.inBucket(bucket) {
		if slices.Contains(leaving, s) {
			continue
		}
		if subnetOf(t.family, t.blob(s)[20:]) == subnetOf(t.family, addr) {
			inSubnet++
		}
		inBucket++
	}
	near = near || inSubnet >= bucketSubnet
	full = full || inBucket >= bucketNodes
	if near || far || full {
		s, ok := t.victim(bucket, addr, leaving, near, far, secure)
		if !ok {
			return false
		}
		leaving = append(leaving, s)
	}
	var addrs [len(slots)]compactAddr // slots change their owners when one is removed
	for i, s := range leaving {
		copy(addrs[i][:], t.blob(s)[20:])
	}
	for i := range leaving {
		t.forget(addrs[i][:addrSize[t.family]])
	}
	return t.insert(id, addr, now)
}

// holder is the node with that id, if there is one.
func (t *table) holder(bucket uint32, id *wire.ID) (slot, bool) {
	for s := range t.inBucket(bucket) {
		if string(t.blob(s)[:20]) == string(id[:]) {
			return s, true
		}
	}
	return slot{}, false
}

// victim is the least worthy node of a bucket that yields to a new one at addr: of addr's subnet if near, of its network
// if far; the one not heard of for longest among equals. Those in leaving are taken for gone.
func (t *table) victim(bucket uint32, addr []byte, leaving []slot, near, far, secure bool) (at slot, ok bool) {
	least, oldest := 0, uint32(0)
	for s := range t.inBucket(bucket) {
		a := t.blob(s)[20:]
		if slices.Contains(leaving, s) ||
			near && subnetOf(t.family, a) != subnetOf(t.family, addr) ||
			far && netOf(t.family, a) != netOf(t.family, addr) {
			continue
		}
		standing, seen := t.standing(s), t.seen(s)
		if !yields(standing, secure) || ok && (standing > least || standing == least && int32(seen-oldest) >= 0) {
			continue
		}
		at, ok, least, oldest = s, true, standing, seen
	}
	return at, ok
}
