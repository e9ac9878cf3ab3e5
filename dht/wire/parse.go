package wire

import "errors"

// The reasons Parse gives. They say why a datagram deserves silence; none of them is an answerable mistake.
var (
	ErrBencode = errors.New("not one bencoded dictionary")
	ErrKind    = errors.New(`key "y" is not "q", "r" or "e"`)
)

// A keys is a set of keys of one dictionary. A key that is not known to us is the empty set.
type keys uint32

// The keys of the top level.
const (
	keyA keys = 1 << iota
	keyE
	keyIP
	keyQ
	keyR
	keyRO
	keyT
	keyV
	keyY
)

// Parse reads the message in datagram b into m, whose previous content is forgotten. On error m holds nothing
// to be used.
func Parse(b []byte, m *Message) error {
	d := decoder{b}
	seen, ok := d.message(m, 0)
	if !ok {
		return ErrBencode
	}
	foreign, ok := foreignKeys(m.Kind)
	if !ok {
		return ErrKind
	}
	if foreign &= seen; foreign != 0 {
		d.message(m, foreign)
	}
	return nil
}

// foreignKeys is the set of keys that mean nothing in a message of kind k. "y" sorts last, so that only the
// end of a message tells; the rare one that carries a foreign key is read again without it.
func foreignKeys(k Kind) (foreign keys, ok bool) {
	switch k {
	case Query:
		return keyR | keyE, true
	case Response:
		return keyA | keyE | keyQ, true
	case Error:
		return keyA | keyR | keyQ, true
	}
	return 0, false
}

// message reads the top-level dictionary, which must be all there is, into m. It passes over the keys in the
// set seen, and returns them together with those it saw.
func (d *decoder) message(m *Message, seen keys) (_ keys, ok bool) {
	*m = Message{}
	if d.at(0) != 'd' {
		return 0, false
	}
	i := 1
	for d.at(i) != 'e' {
		c, value := d.letter(i)
		key := letterKeys[c]
		if value == 0 {
			if key, value = d.longKey(i); value == 0 {
				return 0, false
			}
		}
		end := 0
		if seen&key == 0 {
			seen |= key
			switch key {
			case keyA, keyR:
				end = d.body(m, value)
			case keyE:
				end = d.errorList(m, value)
			case keyIP:
				if m.IP, end = d.str(value); len(m.IP) != CompactAddr4 && len(m.IP) != CompactAddr6 {
					m.IP = nil
				}
			case keyQ:
				m.Name, end = d.str(value)
				m.Method = MethodByName(m.Name)
			case keyRO:
				m.ReadOnly, end = d.flag(value)
			case keyT:
				m.T, end = d.str(value)
			case keyV:
				m.Version, end = d.str(value)
			case keyY:
				c, end = d.letter(value)
				m.Kind = Kind(c)
			}
		}
		if end == 0 { // not to be read, or not what the key should hold
			if end = d.skip(value, 1); end == 0 {
				return 0, false
			}
		}
		i = end
	}
	return seen, i+1 == len(d.b)
}

// longKey reads a key of the top level that has more than one letter, and tells where its value begins.
func (d *decoder) longKey(i int) (key keys, value int) {
	name, value := d.str(i)
	switch string(name) {
	case "ip":
		key = keyIP
	case "ro":
		key = keyRO
	}
	return key, value
}

var letterKeys = [256]keys{'a': keyA, 'e': keyE, 'q': keyQ, 'r': keyR, 't': keyT, 'v': keyV, 'y': keyY}

// letter reads a string of one letter.
func (d *decoder) letter(i int) (c byte, end int) {
	if b := d.b; uint(i+2) < uint(len(b)) && b[i] == '1' && b[i+1] == ':' {
		return b[i+2], i + 3
	}
	return 0, 0
}

// errorList reads "e", the list [code, text].
func (d *decoder) errorList(m *Message, i int) (end int) {
	if d.at(i) != 'l' {
		return 0
	}
	if m.Code, end = d.integer(i + 1); end != 0 {
		m.Text, _ = d.str(end)
	}
	return d.skip(i, 1)
}
