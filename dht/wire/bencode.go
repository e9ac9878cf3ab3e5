package wire

// MaxDepth bounds the nesting of lists and dictionaries in a message, the message itself included. Real
// messages need 3, and BEP 44 values a few more.
const MaxDepth = 32

// decoder reads bencode from b, at i. Every method returns false on malformed input; the position is then
// of no use, and the message is given up.
type decoder struct {
	b []byte
	i int
}

// peek is the next byte, or zero at the end: no bencoded value begins or ends with zero.
func (d *decoder) peek() byte {
	if d.i < len(d.b) {
		return d.b[d.i]
	}
	return 0
}

func isDigit(c byte) bool { return c-'0' <= 9 }

// open consumes the first byte of a list ('l') or dictionary ('d').
func (d *decoder) open(c byte) bool {
	if d.peek() != c {
		return false
	}
	d.i++
	return true
}

// end consumes the 'e' that closes a list or dictionary, if it is next.
func (d *decoder) end() bool { return d.open('e') }

// str reads a string, "4:spam". Its length can never be longer than a datagram, which keeps the sum far
// from overflow.
func (d *decoder) str() ([]byte, bool) {
	b, i := d.b, d.i
	if i >= len(b) || !isDigit(b[i]) {
		return nil, false
	}
	n := int(b[i] - '0')
	i++
	if n == 0 { // "0:" only: a length has no leading zero
		if i >= len(b) || b[i] != ':' {
			return nil, false
		}
	}
	for i < len(b) && isDigit(b[i]) {
		n = n*10 + int(b[i]-'0')
		if n > len(b) {
			return nil, false
		}
		i++
	}
	if i >= len(b) || b[i] != ':' || n > len(b)-i-1 {
		return nil, false
	}
	i++
	d.i = i + n
	return b[i : i+n : i+n], true
}

// integer reads "i42e". Values beyond 64 bits are malformed, as are "i-0e", "i03e" and "ie".
func (d *decoder) integer() (int64, bool) {
	if !d.open('i') {
		return 0, false
	}
	negative := d.open('-')
	first := d.i
	limit := uint64(1<<63 - 1)
	if negative {
		limit++
	}
	var n uint64
	for isDigit(d.peek()) {
		digit := uint64(d.b[d.i] - '0')
		if n > (limit-digit)/10 {
			return 0, false
		}
		n = n*10 + digit
		d.i++
	}
	digits := d.i - first
	if digits == 0 || digits > 1 && d.b[first] == '0' || negative && n == 0 || !d.end() {
		return 0, false
	}
	if negative {
		return -int64(n), true
	}
	return int64(n), true
}

// skip passes over one value of any type, depth levels below the top. It keeps no stack but one bit a level,
// whether that level is a dictionary, so that the input cannot make it recurse.
func (d *decoder) skip(depth int) bool {
	var isDict uint64 // bit k: the k-th open container here is a dictionary
	open := 0
	for {
		switch c := d.peek(); {
		case isDigit(c):
			if _, ok := d.str(); !ok {
				return false
			}
		case c == 'i':
			if _, ok := d.integer(); !ok {
				return false
			}
		case c == 'l' || c == 'd':
			if depth+open >= MaxDepth {
				return false
			}
			d.i++
			isDict = isDict<<1 | uint64(c>>3&1^1) // 'd' is 0x64, 'l' is 0x6c: bit 3 tells them apart
			open++
		default:
			return false
		}
		for open > 0 && d.end() {
			isDict >>= 1
			open--
		}
		if open == 0 {
			return true
		}
		if isDict&1 != 0 { // inside a dictionary the next thing is a key
			if _, ok := d.str(); !ok {
				return false
			}
		}
	}
}
