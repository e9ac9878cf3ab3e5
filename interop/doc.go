// Package interop shows that BitTorrent clients which nobody here wrote find each other through a node that was
// started with --bootstrap none, and through nothing else.
//
// Words. A host is a network namespace with one address and a router as its only neighbour. A peer is a process
// on a host that wraps one real client: anacrolixpeer, aria2peer and transmissionpeer (Go), or libtorrent_peer.py. A
// swarm is a node and two peers, each on a host of its own: the seeder, who makes a torrent of a file, and the
// leecher, who is told its info_hash and must end with the same bytes. A user is a process on a host that wraps one
// DHT library: anacrolixdht (Go), libtorrent_dht.py, npm/dht.js. An exchange is a node and some users, every two of
// whom must find in the node what the other has left there: peers, items, samples, scrapes.
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
//   - The peers that can are read-only DHT nodes (BEP 43): they answer no query. If both are, only the node can have
//     answered a get_peers; if one is, nobody announces to it, and it finds nobody but the node who knows of the
//     other. (Other swarms have two ordinary peers: there the node must also introduce them.)
//   - The leecher starts when the node shows one stored peer, and its client must name nobody but the seeder as its
//     peer and, where it tells such things and could not have been called, the DHT as where it had the address from.
//   - The users of an exchange have a route to the node and to nobody else.
//
// A client that wants to know more nodes before it uses the DHT gets a cluster of them, all supernodes: the first was
// started with --bootstrap none, the others with --bootstrap FIRST.
//
// # Peers
//
// All peers take the same flags and say what happens on standard output, one JSON object a line; what else they
// have to say goes to standard error. They run until they are killed.
//
//	--node ADDR:PORT     a DHT node to start from; one for each node of a cluster
//	--listen ADDR:PORT   for peers (TCP, uTP) and the DHT (UDP)
//	--dir DIR            where the content is or comes to be
//	--seed NAME          make a torrent of DIR/NAME and seed it       (either this
//	--magnet URI         download                                      or that)
//	--read-only          do not answer DHT queries (BEP 43); given to those clients only that can do so
//
//	{"event":"seeding","info_hash":"40 hexadecimal digits"}
//	{"event":"connected","addr":"198.18.2.1:6881","source":"dht"}     or "incoming", or "other"
//	{"event":"completed"}
//
// # Users
//
// All users take --node and --listen, and are read-only DHT nodes. They read a request a line from standard input and
// answer each by a line on standard output; the first line says that they are ready. Package adapter names what can
// be asked. Not every library can do all.
//
//	                                                       {}
//	{"do":"put","value":"text"}                            {"target":"40 hexadecimal digits"}
//	{"do":"get","target":"40 hexadecimal digits"}          {"value":"text"}  or  {"error":"no such item"}
//
// # End
//
// The namespaces have no names: they end with the last process that is in them, and all processes end
// with the test that started them, however it ends (prctl(2), PR_SET_PDEATHSIG). A killed run leaves a directory of
// programs in the temporary one.
package interop
