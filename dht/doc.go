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
// A worker that has a whole batch in hand may call [Node.Expect] for each datagram and [Node.Foresee] once before it goes
// through them: with a large table and store, replies then cost half the time.
//
// Neither door keeps a slice it was given, and what others ask is answered without allocating. A Node belongs to one
// goroutine at a time.
//
// # Several workers
//
// With Config.Workers a node has several views ([Node.Workers]), each for one goroutine. These may call Handle, ID, ID6,
// External and Counts at the same time. Poll, Bootstrap, Search and Snapshot belong to the first, who may call them while
// the others work; Restore comes before all. NextWake may be called from anywhere: what another worker handles can make
// it earlier. Whoever rests until then has to be woken.
//
// [Node.Search] starts a lookup, which goes through the same doors: it finds nodes, peers or stored values, and
// announces or stores what it is told to.
//
// # What the node believes
//
// It trusts nothing that a forged source address could have sent. A query alone changes nothing but a bounded
// queue of addresses worth a ping; only a node that answered a query of ours, from the address we asked,
// with the transaction id we chose, enters the routing table; only a query that returns a token we gave to
// its address stores a peer or an item, and a mutable item only if its owner signed it.
//
// # Over a restart
//
// [Snapshot] writes what nodes know in small parts between batches; [OpenState] and [State.Restore] read it back, with
// the same distrust as for datagrams, and without what has expired meanwhile.
//
// Silence is held against a node only while others answer: an outage of the own network empties no table.
//
// # Limits
//
// Everything that grows has a bound set at construction: nodes, peers, items, outstanding queries, addresses to
// verify. A full store withholds tokens, so that well-behaved nodes announce elsewhere instead of failing here. So it
// does to an address that has its share of the store: no single host can fill it. A source that asks more than
// Config.RateLimit gets silence; the budgets of all sources together are 256 KiB for a
// worker, however many there are.
//
// A reply has at most 1,024 bytes, and ten times the query's. An item too large for that is not handed out: without
// nodes, but with all else, 936 bytes of value fit beside no signature and about 810 beside one, if the query has 103.
//
// Implemented: BEP 5 (ping, find_node, get_peers, announce_peer), BEP 32 (IPv6 and want), BEP 33 (scrapes), BEP 42 (the
// "ip" key, an id that follows from the address others see, preference for nodes whose ids comply), BEP 43 (read-only
// nodes), BEP 44 (get, put), BEP 45 (several addresses) and BEP 51 (sample_infohashes). For those who embed the node
// there are helpers to make and check items: [SignItem] and [VerifyItem], and for BEP 46 [AppendMutableTorrent] and
// [ParseMutableTorrent].
package dht
