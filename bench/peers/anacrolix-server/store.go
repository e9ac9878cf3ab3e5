package main

import (
	"net"
	"net/netip"
	"sync"

	"github.com/anacrolix/dht/v2/krpc"
	peer_store "github.com/anacrolix/dht/v2/peer-store"
)

// maxPeers is how many peers are named to whoever asks, about as many as a datagram has room for.
const maxPeers = 100

// store keeps announced peers. The library's own (peer_store.InMemory of v2.23.0) keeps them by a key that has no port, takes
// the port from the end of that key, and so has no peer to name, ever: a hit would be measured as a miss.
type store struct {
	mu    sync.RWMutex
	peers map[peer_store.InfoHash]map[netip.Addr]uint16 // an address's port
}

var _ peer_store.Interface = (*store)(nil)

func (s *store) AddPeer(infoHash peer_store.InfoHash, peer krpc.NodeAddr) {
	addr, ok := netip.AddrFromSlice(peer.IP)
	if !ok {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	ports := s.peers[infoHash]
	if ports == nil {
		ports = make(map[netip.Addr]uint16, 1)
		s.peers[infoHash] = ports
	}
	ports[addr.Unmap()] = uint16(peer.Port)
}

// GetPeers returns some of the peers, at random as far as Go's maps are.
func (s *store) GetPeers(infoHash peer_store.InfoHash) (peers []krpc.NodeAddr) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for addr, port := range s.peers[infoHash] {
		if len(peers) == maxPeers {
			break
		}
		peers = append(peers, krpc.NodeAddr{IP: net.IP(addr.AsSlice()), Port: int(port)})
	}
	return peers
}
