package dht

import "supernode/dht/wire"

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
	if meta, i := t.metaOf(s); meta.fails[i] == 0 {
		standing += sound - failing
	}
	return standing
}

// yields says whether a node of that standing makes room for a new one, which has just answered. A compliant one is
// never displaced by another that is not, and among equals the old one stays: it has proved more.
func yields(standing int, toSecure bool) bool {
	return standing == failing || toSecure && standing < soundSecure
}

// admit takes in a node whose address is not in the table, if the bounds leave room or a node yields. Its host's least
// worthy node must make room for it if mate is not nil. It reports whether the node is in; nothing changes otherwise.
func (t *table) admit(id *wire.ID, addr []byte, now uint32, mate *slot) bool {
	bucket, secure := t.bucketOf(id[:]), secureOK(id[:], addr)
	if mate != nil && !yields(t.standing(*mate), secure) {
		return false
	}
	inBucket, inSubnet := 0, 0
	for s := range t.inBucket(bucket) {
		if mate != nil && s == *mate {
			continue
		}
		b := t.blob(s)
		if string(b[:20]) == string(id[:]) {
			return false // an id belongs to who had it first
		}
		if subnetOf(t.family, b[20:]) == subnetOf(t.family, addr) {
			inSubnet++
		}
		inBucket++
	}
	near, far, full := false, false, false
	if mate == nil { // which otherwise leaves, and makes room in all of these
		near, far = t.subnets.full(t.family, addr)
		full = t.count >= t.limit
	}
	near = near || inSubnet >= bucketSubnet
	full = full || inBucket >= bucketNodes

	var leaving [2]compactAddr
	leave := leaving[:0]
	if near || far || full {
		s, ok := t.victim(bucket, addr, mate, near, far, secure)
		if !ok {
			return false
		}
		leave = append(leave, compactAddr{})
		copy(leave[0][:], t.blob(s)[20:])
	}
	if mate != nil {
		leave = append(leave, compactAddr{})
		copy(leave[len(leave)-1][:], t.blob(*mate)[20:])
	}
	for i := range leave {
		t.forget(leave[i][:addrSize[t.family]])
	}
	return t.insert(id, addr, now)
}

// victim is the least worthy node of a bucket that yields to a new one at addr: of addr's subnet if near, of its network
// if far; the one not heard of for longest among equals.
func (t *table) victim(bucket uint32, addr []byte, mate *slot, near, far, secure bool) (at slot, ok bool) {
	least, oldest := 0, uint32(0)
	for s := range t.inBucket(bucket) {
		a := t.blob(s)[20:]
		if mate != nil && s == *mate ||
			near && subnetOf(t.family, a) != subnetOf(t.family, addr) ||
			far && netOf(t.family, a) != netOf(t.family, addr) {
			continue
		}
		standing := t.standing(s)
		meta, i := t.metaOf(s)
		if !yields(standing, secure) || ok && (standing > least || standing == least && int32(meta.seen[i]-oldest) >= 0) {
			continue
		}
		at, ok, least, oldest = s, true, standing, meta.seen[i]
	}
	return at, ok
}
