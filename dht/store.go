package dht

import "math/rand/v2"

// store is what a node keeps for others, and the secret it tells by who may leave something there. The nodes on
// several addresses of one host share one: what was announced at one address is found at the others.
type store struct {
	peers  *peerStore
	items  *itemStore
	tokens tokens
}

func newStore(c Config, rng *rand.ChaCha8) *store {
	s := &store{peers: newPeerStore(c.MaxPeers, newHashKey(rng))}
	s.peers.hand.last = c.Start
	s.items = newItemStore(c.MaxItems, s.peers.key, c.Start)
	s.tokens.init([2]uint64{rng.Uint64(), rng.Uint64()}, c.Start)
	return s
}
