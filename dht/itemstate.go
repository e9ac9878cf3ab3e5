package dht

import "time"

// itemsAtOnce bounds the slots that one call of each looks at.
const itemsAtOnce = 64

// each hands out what is stored, in the order of slots from number from on, a few dozen at a time: each item and its
// age, the time since its last put. The item's slices are valid until yield returns, which must not touch the store.
// It ends early when yield returns false, and then begins with the same item again. next is where to go on; more is
// false at the end. Puts and expiry may come between calls: what was stored all the while is handed out at least
// once.
func (s *itemStore) each(now Instant, from uint32, yield func(it item, age time.Duration) bool) (next uint32, more bool) {
	end := min(s.allocated, from+itemsAtOnce)
	for i := from; i < end; i++ {
		if t := s.slot(i); t.value > 0 && !t.expired(now) {
			left := time.Duration(t.expires-now.seconds()) * time.Second
			if !yield(s.read(i), max(0, itemLifetime-left)) {
				return i, true
			}
		}
	}
	return end, end < s.allocated
}

// restore puts back an item that each handed out, of the age it has now. It trusts nothing of it: the item is verified
// as if a stranger had sent it, for which the pace of such checks does not count. It reports false, and leaves the
// store as it is, if the item is too old, is not valid, has no room, or there is one under its target that is as new.
func (s *itemStore) restore(now Instant, age time.Duration, it item) bool {
	if age = max(age, 0); age >= itemLifetime || !it.verify() {
		return false
	}
	target := it.target()
	if stored, _, ok := s.get(now, &target); ok && stored.seq >= it.seq {
		return false
	}
	return s.put(now, age, &target, &it, nobody)
}
