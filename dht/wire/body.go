package wire

// The keys of the dictionaries "a" and "r".
const (
	keyBFpe keys = 1 << iota
	keyBFsd
	keyCAS
	keyID
	keyImpliedPort
	keyInfoHash
	keyInterval
	keyK
	keyNodes
	keyNodes6
	keyNoSeed
	keyNum
	keyPort
	keySalt
	keySamples
	keyScrape
	keySeed
	keySeq
	keySig
	keyTarget
	keyToken
	keyValue
	keyValues
	keyWant
)

// body reads the dictionary "a" or "r".
func (d *decoder) body(m *Message, i int) (end int) {
	if d.at(i) != 'd' {
		return 0
	}
	var seen keys
	for i++; d.at(i) != 'e'; i = end {
		name, value := d.str(i)
		if value == 0 {
			return 0
		}
		end = 0
		if key := bodyKey(name); seen&key == 0 {
			seen |= key
			end = d.argument(m, key, value)
		}
		if end == 0 {
			if end = d.skip(value, 2); end == 0 {
				return 0
			}
		}
	}
	return i + 1
}

func bodyKey(name []byte) keys {
	switch string(name) {
	case "id":
		return keyID
	case "target":
		return keyTarget
	case "info_hash":
		return keyInfoHash
	case "token":
		return keyToken
	case "port":
		return keyPort
	case "implied_port":
		return keyImpliedPort
	case "want":
		return keyWant
	case "nodes":
		return keyNodes
	case "nodes6":
		return keyNodes6
	case "values":
		return keyValues
	case "scrape":
		return keyScrape
	case "seed":
		return keySeed
	case "noseed":
		return keyNoSeed
	case "BFpe":
		return keyBFpe
	case "BFsd":
		return keyBFsd
	case "v":
		return keyValue
	case "k":
		return keyK
	case "sig":
		return keySig
	case "salt":
		return keySalt
	case "seq":
		return keySeq
	case "cas":
		return keyCAS
	case "samples":
		return keySamples
	case "interval":
		return keyInterval
	case "num":
		return keyNum
	}
	return 0
}

// argument reads the value of a key. If it is not what the key should hold, the field stays as good as absent.
func (d *decoder) argument(m *Message, key keys, i int) (end int) {
	switch key {
	case keyID:
		m.ID, end = d.id(i)
	case keyTarget:
		m.Target, end = d.id(i)
	case keyInfoHash:
		m.InfoHash, end = d.id(i)
	case keyToken:
		m.Token, end = d.str(i)
	case keyPort:
		m.Port, end = d.number(m, HasPort, i)
	case keyImpliedPort:
		m.ImpliedPort, end = d.flag(i)
	case keyWant:
		m.Want, end = d.want(i)
	case keyNodes:
		m.Nodes, end = d.strOfMany(i, CompactNode4)
	case keyNodes6:
		m.Nodes6, end = d.strOfMany(i, CompactNode6)
	case keyValues:
		m.Values, end = d.insideOfList(i)
	case keyScrape:
		m.Scrape, end = d.flag(i)
	case keySeed:
		m.Seed, end = d.flag(i)
	case keyNoSeed:
		m.NoSeed, end = d.flag(i)
	case keyBFpe:
		m.BFpe, end = d.strOf(i, 256)
	case keyBFsd:
		m.BFsd, end = d.strOf(i, 256)
	case keyValue:
		if end = d.skip(i, 2); end != 0 {
			m.Value = d.b[i:end:end]
		}
	case keyK:
		m.Key, end = d.str(i)
	case keySig:
		m.Sig, end = d.str(i)
	case keySalt:
		m.Salt, end = d.str(i)
	case keySeq:
		m.Seq, end = d.number(m, HasSeq, i)
	case keyCAS:
		m.CAS, end = d.number(m, HasCAS, i)
	case keySamples:
		m.Samples, end = d.strOfMany(i, 20)
	case keyInterval:
		m.Interval, end = d.number(m, HasInterval, i)
	case keyNum:
		m.Num, end = d.number(m, HasNum, i)
	}
	return end
}

// id reads a string of the length of an ID.
func (d *decoder) id(i int) (id []byte, end int) {
	if end = i + 23; end <= len(d.b) && string(d.b[i:i+3]) == "20:" {
		return d.b[i+3 : end : end], end
	}
	return nil, 0
}

// strOf reads a string; one of another length than n reads as nil.
func (d *decoder) strOf(i, n int) (s []byte, end int) {
	if s, end = d.str(i); len(s) != n {
		s = nil
	}
	return s, end
}

// strOfMany reads a string; one whose length is not a multiple of n reads as nil.
func (d *decoder) strOfMany(i, n int) (s []byte, end int) {
	if s, end = d.str(i); len(s)%n != 0 {
		s = nil
	}
	return s, end
}

// flag reads an integer as a truth value.
func (d *decoder) flag(i int) (set bool, end int) {
	n, end := d.integer(i)
	return n != 0, end
}

// number reads an integer and notes its presence.
func (d *decoder) number(m *Message, has Has, i int) (n int64, end int) {
	if n, end = d.integer(i); end != 0 {
		m.Has |= has
	}
	return n, end
}

// want reads the list of BEP 32; what is not one of the two strings it names is ignored.
func (d *decoder) want(i int) (want Want, end int) {
	if d.at(i) != 'l' {
		return 0, 0
	}
	for i++; d.at(i) != 'e'; i = end {
		var family []byte
		if family, end = d.str(i); end == 0 {
			if end = d.skip(i, 3); end == 0 {
				return 0, 0
			}
		}
		switch string(family) {
		case "n4":
			want |= Want4
		case "n6":
			want |= Want6
		}
	}
	return want, i + 1
}

// insideOfList returns what stands in a list, for Peers to walk.
func (d *decoder) insideOfList(i int) (inside []byte, end int) {
	if d.at(i) != 'l' {
		return nil, 0
	}
	if end = d.skip(i, 2); end == 0 {
		return nil, 0
	}
	return d.b[i+1 : end-1 : end-1], end
}
