// Package dht is a BitTorrent Mainline DHT node as a pure state machine: datagrams go in, datagrams come out,
// and nothing else happens. It opens no socket, reads no clock, starts no goroutine and logs nothing. Whoever
// embeds it brings the time, the randomness and the network, which is what makes it fast under a batching
// worker and exactly repeatable in a simulation.
//
// # The two doors
//
// [Node.Handle] consumes one datagram and appends at most one reply. [Node.Poll] appends one datagram the node
// wants to send of its own accord, if one is due, and [Node.NextWake] says when to ask again. A worker is
// this loop, and little more:
//
//	for each datagram received {
//		reply, outcome := node.Handle(now, src, datagram, buf[:0])
//		if len(reply) > 0 { send reply to src }
//	}
//	for {
//		out, to, ok := node.Poll(now, buf[:0])
//		if !ok { break }
//		send out to to
//	}
//	wait for datagrams until node.NextWake()
//
// Neither door keeps a slice it was given, and what others ask is answered without allocating. A Node belongs to one
// goroutine at a time.
//
// [Node.Search] starts a lookup, which goes through the same doors: it finds nodes, peers or stored values, and
// announces or stores what it is told to.
//
// # What the node believes
//
// It trusts nothing that a forged source address could have sent. A query alone changes nothing but a bounded
// queue of addresses worth a ping; only a node that answered a query of ours, from the address we asked,
// with the transaction id we chose, enters the routing table; only a query that returns a token we gave to
// its address stores a peer.
//
// Silence is held against a node only while others answer: an outage of the own network empties no table.
//
// # Limits
//
// Everything that grows has a bound set at construction: nodes, peers, outstanding queries, addresses to verify.
// A full store withholds tokens, so that well-behaved nodes announce elsewhere instead of failing here.
//
// Implemented: BEP 5 (ping, find_node, get_peers, announce_peer), BEP 32 (IPv6 and want), the "ip" key of
// BEP 42 and BEP 43 (read-only nodes).
package dht
