package main

import (
	"net/netip"

	"supernode/dht/wire"
)

// serve answers the query in e.message, which the target sent to a flow, as the node that the flow is:
// one that is alive, and knows neither nodes nor peers. Methods that it has no answer of their own for
// get the id that every response has. It says whether there was an answer.
func (e *engine) serve(flow uint32, source netip.AddrPort, local netip.Addr) bool {
	q := &e.message
	if len(q.T) == 0 || len(q.T) > 32 {
		return false
	}
	derive(&e.id, e.seed, kindFlow, e.layout.first+flow)
	r := &e.reply
	*r = wire.Message{
		Kind: wire.Response,
		T:    q.T,
		ID:   e.id[:],
		IP:   wire.AppendAddr(e.external[:0], source), // what the asker looks like from here (BEP 42)
	}
	if q.Method == wire.FindNode || q.Method == wire.GetPeers {
		r.Nodes = e.id[:0]
		if source.Addr().Is6() {
			r.Nodes, r.Nodes6 = nil, e.id[:0]
		}
	}
	if q.Method == wire.GetPeers {
		r.Token = e.id[:4]
	}
	if e.answers.Full() {
		e.transport.Send(e.answers, e.in.Socket())
	}
	e.answers.Add(r.Append(e.answers.Buffer()), source, local)
	return true
}
