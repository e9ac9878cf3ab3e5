package wire

import "bytes"

// valueDepth is how many containers a stored value stands in when it travels: the message and its "a" or "r".
const valueDepth = 2

// Canonical reports whether b is one bencoded value in its only spelling (BEP 3, and BEP 44, which hashes and signs
// the encoding): keys of dictionaries strictly ascending, integers and lengths without leading zeros, no byte behind
// the value, and no deeper than a message can carry it. Decoding such a value and encoding it again gives the same
// bytes. Integers beyond 64 bits, which [Parse] does not read either, are not canonical. It does not allocate.
func Canonical(b []byte) bool {
	d := decoder{b}
	var levels [MaxDepth - valueDepth]struct {
		key    []byte // the last one; nil before the first
		isDict bool
	}
	for i, open := 0, 0; ; {
		switch c := d.at(i); {
		case isDigit(c):
			_, i = d.str(i)
		case c == 'i':
			_, i = d.integer(i)
		case c == 'l' || c == 'd':
			if open == len(levels) {
				return false
			}
			levels[open].key, levels[open].isDict = nil, c == 'd'
			open++
			i++
		default:
			return false
		}
		if i == 0 {
			return false
		}
		for open > 0 && d.at(i) == 'e' {
			i++
			open--
		}
		if open == 0 {
			return i == len(b)
		}
		if l := &levels[open-1]; l.isDict {
			key, end := d.str(i)
			if end == 0 || l.key != nil && bytes.Compare(key, l.key) <= 0 {
				return false
			}
			l.key, i = key, end
		}
	}
}

// Lookup is the encoded value under key in a bencoded dictionary, a view into dict; nil if there is none, or dict is
// no dictionary. Of a repeated key the first counts.
func Lookup(dict []byte, key string) []byte {
	d := decoder{dict}
	if d.skip(0, valueDepth) != len(dict) || d.at(0) != 'd' {
		return nil
	}
	for i := 1; d.at(i) != 'e'; {
		name, value := d.str(i)
		i = d.skip(value, valueDepth+1)
		if string(name) == key {
			return dict[value:i:i]
		}
	}
	return nil
}

// String is what the bencoded string b says, a view into b; nil if b is anything else.
func String(b []byte) []byte {
	d := decoder{b}
	if s, end := d.str(0); end == len(b) {
		return s
	}
	return nil
}
