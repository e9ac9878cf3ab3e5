package wire

import "errors"

// The reasons Parse gives. They say why a datagram deserves silence; none of them is an answerable mistake.
var (
	ErrBencode = errors.New("not one bencoded dictionary")
	ErrKind    = errors.New(`key "y" is not "q", "r" or "e"`)
)

// Keys of the top level and of the dictionaries "a" and "r". One bit each in a set of keys seen.
const (
	keyA = iota
	keyE
	keyIP
	keyQ
	keyR
	keyRO
	keyT
	keyV
	keyY
)

const (
	keyBFpe = iota
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

const keyUnknown = -1

// Parse reads the message in datagram b into m, whose previous content is forgotten. On error m holds nothing
// to be used.
func Parse(b []byte, m *Message) error {
	seen, ok := parse(b, m, 0)
	if !ok {
		return ErrBencode
	}
	foreign, ok := foreignKeys(m.Kind)
	if !ok {
		return ErrKind
	}
	if foreign &= seen; foreign != 0 {
		parse(b, m, foreign)
	}
	return nil
}

// foreignKeys is the set of keys that mean nothing in a message of kind k. "y" sorts last, so that only the
// end of a message tells; the rare one that carries a foreign key is read again without it.
func foreignKeys(k Kind) (keys uint32, ok bool) {
	switch k {
	case Query:
		return 1<<keyR | 1<<keyE, true
	case Response:
		return 1<<keyA | 1<<keyE | 1<<keyQ, true
	case Error:
		return 1<<keyA | 1<<keyR | 1<<keyQ, true
	}
	return 0, false
}

// parse reads b, all of it, into m, passing over the top-level keys in the set skip. It returns the keys seen.
func parse(b []byte, m *Message, skip uint32) (seen uint32, ok bool) {
	*m = Message{}
	d := decoder{b: b}
	seen, ok = d.message(m, skip)
	return seen, ok && d.i == len(b)
}

// message reads the top-level dictionary.
func (d *decoder) message(m *Message, seen uint32) (_ uint32, ok bool) {
	if !d.open('d') {
		return 0, false
	}
	for !d.end() {
		name, ok := d.str()
		if !ok {
			return 0, false
		}
		key := topKey(name)
		if key == keyUnknown || seen&(1<<key) != 0 {
			ok = d.skip(1)
		} else {
			seen |= 1 << key
			ok = d.topValue(m, key)
		}
		if !ok {
			return 0, false
		}
	}
	return seen, true
}

func topKey(name []byte) int {
	switch string(name) {
	case "a":
		return keyA
	case "e":
		return keyE
	case "ip":
		return keyIP
	case "q":
		return keyQ
	case "r":
		return keyR
	case "ro":
		return keyRO
	case "t":
		return keyT
	case "v":
		return keyV
	case "y":
		return keyY
	}
	return keyUnknown
}

func (d *decoder) topValue(m *Message, key int) (ok bool) {
	switch key {
	case keyA, keyR:
		return d.body(m)
	case keyE:
		return d.errorList(m)
	case keyIP:
		if m.IP, ok = d.stringOrSkip(1); len(m.IP) != CompactAddr4 && len(m.IP) != CompactAddr6 {
			m.IP = nil
		}
	case keyQ:
		m.Name, ok = d.stringOrSkip(1)
		m.Method = MethodByName(m.Name)
	case keyRO:
		m.ReadOnly, ok = d.flag(1)
	case keyT:
		m.T, ok = d.stringOrSkip(1)
	case keyV:
		m.Version, ok = d.stringOrSkip(1)
	case keyY:
		var y []byte
		if y, ok = d.stringOrSkip(1); len(y) == 1 {
			m.Kind = Kind(y[0])
		}
	}
	return ok
}

// body reads the dictionary "a" or "r".
func (d *decoder) body(m *Message) bool {
	if !d.open('d') {
		return d.skip(1)
	}
	var seen uint32
	for !d.end() {
		name, ok := d.str()
		if !ok {
			return false
		}
		key := bodyKey(name)
		if key == keyUnknown || seen&(1<<key) != 0 {
			ok = d.skip(2)
		} else {
			seen |= 1 << key
			ok = d.bodyValue(m, key)
		}
		if !ok {
			return false
		}
	}
	return true
}

func bodyKey(name []byte) int {
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
	return keyUnknown
}

func (d *decoder) bodyValue(m *Message, key int) (ok bool) {
	switch key {
	case keyID:
		m.ID, ok = d.stringOf(20)
	case keyTarget:
		m.Target, ok = d.stringOf(20)
	case keyInfoHash:
		m.InfoHash, ok = d.stringOf(20)
	case keyToken:
		m.Token, ok = d.stringOrSkip(2)
	case keyPort:
		m.Port, ok = d.number(m, HasPort)
	case keyImpliedPort:
		m.ImpliedPort, ok = d.flag(2)
	case keyWant:
		return d.want(m)
	case keyNodes:
		m.Nodes, ok = d.stringOfMany(CompactNode4)
	case keyNodes6:
		m.Nodes6, ok = d.stringOfMany(CompactNode6)
	case keyValues:
		m.Values, ok = d.listOfStrings()
	case keyScrape:
		m.Scrape, ok = d.flag(2)
	case keySeed:
		m.Seed, ok = d.flag(2)
	case keyNoSeed:
		m.NoSeed, ok = d.flag(2)
	case keyBFpe:
		m.BFpe, ok = d.stringOf(256)
	case keyBFsd:
		m.BFsd, ok = d.stringOf(256)
	case keyValue:
		start := d.i
		ok = d.skip(2)
		m.Value = d.b[start:d.i:d.i]
	case keyK:
		m.Key, ok = d.stringOf(32)
	case keySig:
		m.Sig, ok = d.stringOf(64)
	case keySalt:
		m.Salt, ok = d.stringOrSkip(2)
	case keySeq:
		m.Seq, ok = d.number(m, HasSeq)
	case keyCAS:
		m.CAS, ok = d.number(m, HasCAS)
	case keySamples:
		m.Samples, ok = d.stringOfMany(20)
	case keyInterval:
		m.Interval, ok = d.number(m, HasInterval)
	case keyNum:
		m.Num, ok = d.number(m, HasNum)
	}
	return ok
}

// stringOrSkip reads a string; a value of another type reads as nil.
func (d *decoder) stringOrSkip(depth int) ([]byte, bool) {
	if isDigit(d.peek()) {
		return d.str()
	}
	return nil, d.skip(depth)
}

// stringOf reads a string of length n; anything else reads as nil.
func (d *decoder) stringOf(n int) ([]byte, bool) {
	s, ok := d.stringOrSkip(2)
	if len(s) != n {
		s = nil
	}
	return s, ok
}

// stringOfMany reads a string whose length is a multiple of n; anything else reads as nil.
func (d *decoder) stringOfMany(n int) ([]byte, bool) {
	s, ok := d.stringOrSkip(2)
	if len(s)%n != 0 {
		s = nil
	}
	return s, ok
}

// flag reads an integer as a truth value; a value of another type is false.
func (d *decoder) flag(depth int) (bool, bool) {
	if d.peek() == 'i' {
		n, ok := d.integer()
		return n != 0, ok
	}
	return false, d.skip(depth)
}

// number reads an integer and notes its presence; a value of another type is absent.
func (d *decoder) number(m *Message, has Has) (int64, bool) {
	if d.peek() == 'i' {
		m.Has |= has
		return d.integer()
	}
	return 0, d.skip(2)
}

// want reads the list of BEP 32; strings other than the two it names are ignored.
func (d *decoder) want(m *Message) bool {
	if !d.open('l') {
		return d.skip(2)
	}
	for !d.end() {
		family, ok := d.stringOrSkip(3)
		if !ok {
			return false
		}
		switch string(family) {
		case "n4":
			m.Want |= Want4
		case "n6":
			m.Want |= Want6
		}
	}
	return true
}

// listOfStrings returns the inside of a list, for Peers to walk; a value of another type reads as nil.
func (d *decoder) listOfStrings() ([]byte, bool) {
	if !d.open('l') {
		return nil, d.skip(2)
	}
	start := d.i
	for d.peek() != 'e' {
		if !d.skip(3) {
			return nil, false
		}
	}
	inside := d.b[start:d.i:d.i]
	return inside, d.end()
}

// errorList reads "e", the list [code, text].
func (d *decoder) errorList(m *Message) (ok bool) {
	if !d.open('l') {
		return d.skip(1)
	}
	if d.peek() == 'i' {
		if m.Code, ok = d.integer(); !ok {
			return false
		}
		if isDigit(d.peek()) {
			if m.Text, ok = d.str(); !ok {
				return false
			}
		}
	}
	for !d.end() {
		if !d.skip(2) {
			return false
		}
	}
	return true
}
