package wire

// Operand finds the point in the id space that a query asks about, its "target" or "info_hash", without parsing it: it
// looks only where the usual order of keys puts it. A result of nil says nothing, and another one nothing about whether
// the message is well formed.
func Operand(query []byte) (point []byte, isInfohash bool) {
	const (
		head     = "d1:ad2:id20:"
		implied  = "12:implied_porti1e"
		infohash = "9:info_hash20:"
		target   = "6:target20:"
	)
	const behindID = len(head) + len(ID{})
	const longest = len(infohash) + len(ID{})
	if len(query) < behindID+longest || string(query[:len(head)]) != head {
		return nil, false
	}
	rest := query[behindID:]
	if string(rest[:len(target)]) == target {
		return rest[len(target) : len(target)+len(ID{})], false
	}
	if len(rest) >= len(implied)+longest && string(rest[:len(implied)]) == implied {
		rest = rest[len(implied):]
	}
	if string(rest[:len(infohash)]) == infohash {
		return rest[len(infohash) : len(infohash)+len(ID{})], true
	}
	return nil, false
}
