package dht

// checked is how many signatures were checked for a source or network in the last second that it had one.
type checked struct{ second, count uint32 }

const (
	// checkCells is the number of budgets for checks, to which sources and networks are hashed under a secret key:
	// strangers that meet in one share it, and nobody can choose whom to meet.
	checkCells = 1 << 12

	// Checking a signature takes some 55 µs, as long as a hundred other queries: checksASecond bounds what
	// puts can take from a core to a twentieth, checksOfSource what one source can take from the others, and
	// checksOfNetwork what its network can.
	checksASecond   = 1000
	checksOfSource  = 250
	checksOfNetwork = 2 * checksOfSource

	// falseCheck is what a signature that proves to be false takes from the budgets of its source and network. Who
	// puts true ones only does not notice, and it takes 20 networks to use up the checks of all with false ones.
	falseCheck = 10

	// A source may always hold sourceFloor items, but in a small store only so many that its network, with
	// networkSources times that, is bounded to the 8th part.
	smallShare = 8 * networkSources
)

// held counts the items of each source and network. It is made when it is first needed.
func (s *itemStore) held() *shares {
	if s.shares.key == nil {
		s.shares = newShares(s.limit, max(1, min(sourceFloor, s.limit/smallShare)), &s.key)
	}
	return &s.shares
}

// room is for how many more items of the average length there is room.
func (s *itemStore) room() int {
	return max(0, min(s.limit-s.count, (s.chains.limit-s.chains.used)/itemLinks))
}

// budget is the cell of a source or network, for this second.
func (s *itemStore) budget(now Instant, number uint64) *checked {
	if s.budgets == nil {
		s.budgets = make([]checked, checkCells)
	}
	c := &s.budgets[s.key.hash64(number)%checkCells]
	if second := now.seconds(); second != c.second {
		*c = checked{second: second}
	}
	return c
}

// mayCheck takes a check of a signature from the budgets of a source, its network and all, if each has one left. A
// source that has used up its own leaves the others theirs.
func (s *itemStore) mayCheck(now Instant, source uint64) bool {
	own, network := s.budget(now, source), s.budget(now, networkOf(source))
	if own.count >= checksOfSource || network.count >= checksOfNetwork || !s.checks.pass(now) {
		return false
	}
	own.count++
	network.count++
	return true
}

// wasFalse takes what else a false signature costs.
func (s *itemStore) wasFalse(now Instant, source uint64) {
	s.budget(now, source).count += falseCheck - 1
	s.budget(now, networkOf(source)).count += falseCheck - 1
}
