package dht

import "bytes"

// records is the used part of a list's array.
func (p *peerStore) records(f family, l *peerList) []byte {
	if l.n == 0 {
		return nil
	}
	return p.arenas[f].at(l.array)[ownerSize:][:int(l.n)*peerSize[f]]
}

func (p *peerStore) record(f family, l *peerList, i int) []byte {
	return p.records(f, l)[i*peerSize[f] : (i+1)*peerSize[f]]
}

// search finds the place of record's IP in the list, and whether it is there.
func (p *peerStore) search(f family, l *peerList, record []byte) (at int, found bool) {
	records, size, ip := p.records(f, l), peerSize[f], record[:addrSize[f]-2]
	low, high := 0, int(l.n)
	for low < high {
		middle := (low + high) / 2
		switch bytes.Compare(records[middle*size:middle*size+len(ip)], ip) {
		case 0:
			return middle, true
		case -1:
			low = middle + 1
		default:
			high = middle
		}
	}
	return low, false
}

// network is the run of records from the same IPv6 /64 as record, whose own place would be at. It stops at as many
// as there may be. IPv4 has no such runs.
func (p *peerStore) network(f family, l *peerList, at int, record []byte) (from, to int) {
	from, to = at, at
	if f == v4 {
		return from, to
	}
	const prefix = 8
	for from > 0 && to-from < networkPeers && string(p.record(f, l, from-1)[:prefix]) == string(record[:prefix]) {
		from--
	}
	for to < int(l.n) && to-from < networkPeers && string(p.record(f, l, to)[:prefix]) == string(record[:prefix]) {
		to++
	}
	return from, to
}

// soonest is the position, from from up to to, of the record that expires first.
func (p *peerStore) soonest(f family, l *peerList, from, to int) int {
	best := from
	for i := from + 1; i < to; i++ {
		if stampOf(p.record(f, l, i)).before(stampOf(p.record(f, l, best))) {
			best = i
		}
	}
	return best
}

// replace puts record, at its place, into the list for the one at position victim.
func (p *peerStore) replace(i uint32, f family, victim int, record []byte) {
	l, size := p.list(i, f), peerSize[f]
	records := p.records(f, l)
	p.shares.remove(sourceIn(f, records[victim*size:]))
	at, _ := p.search(f, l, record)
	if at > victim {
		at--
		copy(records[victim*size:at*size], records[(victim+1)*size:])
	} else {
		copy(records[(at+1)*size:(victim+1)*size], records[at*size:])
	}
	copy(records[at*size:], record)
	p.shares.add(sourceIn(f, record))
}

// insertAt makes room at position at and writes record there, moving to a larger array if need be.
func (p *peerStore) insertAt(i uint32, f family, at int, record []byte) {
	l, a, size := p.list(i, f), &p.arenas[f], peerSize[f]
	n := int(l.n)
	if n == 0 || n == classCapacity[l.class] {
		p.resize(i, f, classFor(n+1))
	}
	array := a.array(l.class, l.array)
	copy(array[(at+1)*size:(n+1)*size], array[at*size:n*size])
	copy(array[at*size:], record)
	l.n++
	p.count++
	p.shares.add(sourceIn(f, record))
}

// resize moves a list to an array of another class, which must hold its records.
func (p *peerStore) resize(i uint32, f family, class uint8) {
	l, a := p.list(i, f), &p.arenas[f]
	moved := a.allocate(class, i)
	copy(a.array(class, moved), p.records(f, l))
	old := *l
	l.array, l.class = moved, class
	if old.n > 0 {
		p.release(f, &old)
	}
}

// release gives a list's array back, and tells the owner of the array that moved into its place.
func (p *peerStore) release(f family, l *peerList) {
	if owner, moved := p.arenas[f].release(l.array); moved {
		p.list(owner, f).array = l.array
	}
}

// dropExpired removes what has expired from a list, and makes it smaller if it became so.
func (p *peerStore) dropExpired(i uint32, f family, clock stamp) {
	l, size := p.list(i, f), peerSize[f]
	records := p.records(f, l)
	kept := 0
	for r := records; len(r) > 0; r = r[size:] {
		if stampOf(r[:size]).expired(clock) {
			p.shares.remove(sourceIn(f, r))
			continue
		}
		copy(records[kept*size:(kept+1)*size], r)
		kept++
	}
	if kept == int(l.n) {
		return
	}
	p.count -= int(l.n) - kept
	l.n = uint16(kept)
	if kept == 0 {
		p.release(f, l)
	} else if class := classFor(kept); class+1 < l.class {
		p.resize(i, f, class)
	}
}
