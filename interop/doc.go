// Package interop shows that BitTorrent clients which nobody here wrote find each other through a node that was
// started with --bootstrap none, and through nothing else.
//
// Words. A host is a network namespace with one address and a router as its only neighbour. A peer is a process
// on a host that wraps one real client: anacrolixpeer (Go) or libtorrent_peer.py (libtorrent from Debian). A
// swarm is a node and two peers, each on a host of its own: the seeder, who makes a torrent of a file, and the
// leecher, who is told its info_hash and must end with the same bytes.
//
//	  host "node"             host "seeder"           host "leecher"
//	  supernode               a client                a client
//	  198.18.1.1/24           198.18.2.1/24           198.18.3.1/24      fd00:18:N::1/64 for IPv6
//	      |                       |                       |
//	veth, .254 or ::fe      veth, .254 or ::fe      veth, .254 or ::fe
//	      +------------------ router (forwards) ----------+
//
// # Why it must have been the node
//
//   - No two hosts share a link, and the router forwards neither multicast nor broadcast: local discovery
//     (BEP 14) and every other kind of shouting ends at the router. Nothing leads out of the router.
//   - Trackers, peer exchange (BEP 11), web seeds, UPnP and NAT-PMP are switched off in the clients; the magnet
//     link holds an info_hash and nothing else.
//   - The peers are read-only DHT nodes (BEP 43): they answer no query, so the only get_peers that was answered
//     was answered by the node. (A second swarm has ordinary peers: there the node must also introduce them.)
//   - The leecher starts when the node shows one stored peer, and its client must say that the seeder's address
//     came from the DHT.
//
// # Peers
//
// All peers take the same flags and say what happens on standard output, one JSON object a line; what else they
// have to say goes to standard error. They run until they are killed.
//
//	--node ADDR:PORT     the only DHT node to start from
//	--listen ADDR:PORT   for peers (TCP, uTP) and the DHT (UDP)
//	--dir DIR            where the content is or comes to be
//	--seed NAME          make a torrent of DIR/NAME and seed it       (either this
//	--magnet URI         download                                      or that)
//	--read-only          do not answer DHT queries (BEP 43)
//
//	{"event":"seeding","info_hash":"40 hexadecimal digits"}
//	{"event":"connected","addr":"198.18.2.1:6881","source":"dht"}     or "incoming", or "other"
//	{"event":"completed"}
//
// The namespaces have no names: they end with the last process that is in them, and the peers and the node end
// with the test that started them, however it ends (prctl(2), PR_SET_PDEATHSIG). A killed run leaves nothing.
package interop
