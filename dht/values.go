package dht

import "supernode/dht/wire"

const (
	// lookRecords bounds the records looked at for one reply, which holds at most 128.
	lookRecords = 256

	// staleRecords is the number of expired records seen at which a list is cleaned on the spot rather than when its turn
	// comes: it is paid for by as many announces, and the next reply has only living ones to look at.
	staleRecords = 32
)

// appendValues appends up to room bytes of peers for infohash in the form of wire.Message.Values behind dst: a random
// choice of the swarm's peers that have not expired, without seeds if those are not wanted (BEP 33). The time it
// takes is bounded however large the swarm is; from a large one that is mostly seeds, fewer downloaders are
// returned than there are.
func (p *peerStore) appendValues(dst []byte, now Instant, infohash *wire.ID, f family, noSeed bool, random uint64, room int) []byte {
	values, stale := p.someValues(dst, now, infohash, f, noSeed, random, room)
	if stale >= staleRecords {
		i, _ := p.find(infohash)
		p.dropExpired(i, f, newStamp(now, false))
		values, _ = p.someValues(dst, now, infohash, f, noSeed, random, room)
	}
	return values
}

// someValues is appendValues without the cleaning: it changes nothing, and counts the expired ones it passed over.
func (p *peerStore) someValues(dst []byte, now Instant, infohash *wire.ID, f family, noSeed bool, random uint64, room int) (values []byte, stale int) {
	i, ok := p.find(infohash)
	if !ok {
		return dst, 0
	}
	return p.pick(dst, f, p.list(i, f), newStamp(now, false), noSeed, random, room)
}

// pick appends values from the records of a list, and counts the expired ones it passed over.
func (p *peerStore) pick(dst []byte, f family, l *peerList, clock stamp, noSeed bool, random uint64, room int) (values []byte, stale int) {
	n := int(l.n)
	if n == 0 {
		return dst, 0
	}
	records, size, fit := p.records(f, l), peerSize[f], room/valueSize[f]
	k, stride := int(random>>8%uint64(n)), strides[random%uint64(len(strides))]%n
	for range min(n, lookRecords) {
		if fit <= 0 {
			break
		}
		r := records[k*size : (k+1)*size]
		switch s := stampOf(r); {
		case s.expired(clock):
			stale++
		case !noSeed || s&stampSeed == 0:
			if f == v4 {
				dst = append(dst, '6', ':', r[0], r[1], r[2], r[3], r[4], r[5])
			} else {
				dst = append(append(dst, "18:"...), r[:wire.CompactAddr6]...)
			}
			fit--
		}
		if k += stride; k >= n {
			k -= n
		}
	}
	return dst, stale
}

// strides are primes above swarmPeers: stepping by one of them from anywhere visits every record of a swarm
// once, in an order that leaves neighbours in the address space apart.
var strides = [...]int{1031, 1097, 1373, 1723, 2003, 2473, 3067, 4093}

// valueSize is how long a compact address is as a string in a list.
var valueSize = [families]int{2 + wire.CompactAddr4, 3 + wire.CompactAddr6}
