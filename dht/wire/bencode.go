package wire

// MaxDepth bounds the nesting of lists and dictionaries in a message, the message itself included. Real
// messages need 3, and BEP 44 values a few more.
const MaxDepth = 32

// A decoder reads bencode from b. Its methods read what stands at b[i] and return it, and where it ends. An end
// of zero, where nothing ends, says that it is not what the method reads; what skip does not read either is
// malformed. The position is passed by value because it then stays in a register, and every step waits for it.
type decoder struct{ b []byte }

// at is the byte at b[i], or zero at the end: no bencoded value begins or ends with zero.
func (d *decoder) at(i int) byte {
	if uint(i) < uint(len(d.b)) {
		return d.b[i]
	}
	return 0
}

func isDigit(c byte) bool { return c-'0' <= 9 }

// str reads a string, "4:spam". Its length can never be longer than a datagram, which keeps the sum far
// from overflow.
func (d *decoder) str(i int) (s []byte, end int) {
	b := d.b
	if uint(i) >= uint(len(b)) || !isDigit(b[i]) {
		return nil, 0
	}
	n := uint(b[i] - '0')
	for i++; i < len(b); i++ {
		c := b[i]
		if c == ':' {
			i++
			if end = i + int(n); uint(end) > uint(len(b)) {
				break
			}
			return b[i:end:end], end
		}
		if !isDigit(c) || n == 0 || n > uint(len(b)) { // behind a zero it is a leading zero
			break
		}
		n = n*10 + uint(c-'0')
	}
	return nil, 0
}

// integer reads "i42e". Values beyond 64 bits are malformed, as are "i-0e", "i03e" and "ie".
func (d *decoder) integer(i int) (n int64, end int) {
	if d.at(i) != 'i' {
		return 0, 0
	}
	i++
	limit := uint64(1<<63 - 1)
	negative := d.at(i) == '-'
	if negative {
		i++
		limit++
	}
	first := i
	var u uint64
	for isDigit(d.at(i)) {
		digit := uint64(d.b[i] - '0')
		if u > (limit-digit)/10 {
			return 0, 0
		}
		u = u*10 + digit
		i++
	}
	digits := i - first
	if digits == 0 || digits > 1 && d.b[first] == '0' || negative && u == 0 || d.at(i) != 'e' {
		return 0, 0
	}
	if negative {
		return -int64(u), i + 1
	}
	return int64(u), i + 1
}

// skip passes over one value of any type that stands in depth containers. It keeps no stack but one bit a level,
// whether that level is a dictionary, so that the input cannot make it recurse.
func (d *decoder) skip(i, depth int) (end int) {
	var isDict uint64 // bit k: the k-th open container here is a dictionary
	open := 0
	for {
		switch c := d.at(i); {
		case isDigit(c):
			_, i = d.str(i)
		case c == 'i':
			_, i = d.integer(i)
		case c == 'l' || c == 'd':
			if depth+open >= MaxDepth {
				return 0
			}
			i++
			isDict = isDict<<1 | uint64(c>>3&1^1) // 'd' is 0x64, 'l' is 0x6c: bit 3 tells them apart
			open++
		default:
			return 0
		}
		if i == 0 {
			return 0
		}
		for open > 0 && d.at(i) == 'e' {
			i++
			isDict >>= 1
			open--
		}
		if open == 0 {
			return i
		}
		if isDict&1 != 0 { // inside a dictionary the next thing is a key
			if _, i = d.str(i); i == 0 {
				return 0
			}
		}
	}
}
