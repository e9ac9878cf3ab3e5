package main

const (
	tokenRoom  = 64             // bytes; nodes use 4 to 20, and a longer one is not kept
	tokenLife  = 60_000_000_000 // ns; BEP 5 promises five minutes or more
	tokenSlots = 1024           // a power of two
)

// grant is the right to announce: the node gives it to one flow, for one info_hash, in a get_peers answer.
type grant struct {
	at         int64
	flow, item uint32
	size       uint8
	token      [tokenRoom]byte
}

// tokens keeps the latest grants, and gives out the newest first: it is the one in the cache, and the
// furthest from going stale. Each is used once.
type tokens struct {
	ring [tokenSlots]grant
	top  uint32 // the newest is ring[top-1]
	n    uint32
}

// push keeps a copy of token. When there is no room the oldest grant goes.
func (t *tokens) push(now int64, flow, item uint32, token []byte) {
	if len(token) == 0 || len(token) > tokenRoom {
		return
	}
	g := &t.ring[t.top%tokenSlots]
	g.at, g.flow, g.item, g.size = now, flow, item, uint8(len(token))
	copy(g.token[:], token)
	t.top++
	t.n = min(t.n+1, tokenSlots)
}

// pop returns the newest grant, or nil. The view is valid until the next push.
func (t *tokens) pop(now int64) *grant {
	if t.n == 0 {
		return nil
	}
	t.top--
	t.n--
	g := &t.ring[t.top%tokenSlots]
	if now-g.at > tokenLife {
		t.n = 0 // the others are older still
		return nil
	}
	return g
}

func (t *tokens) clear() { t.n = 0 }
