package main

import (
	"time"

	"supernode/dht"
)

const (
	statusOK      = "ok"
	statusStalled = "stalled"

	// stallLimit is how long a worker may be silent before it counts as stalled. It goes round its loop at
	// least once a heartbeat.
	stallLimit = 5 * time.Second
)

// status is the answer of /healthz and the content of the page. Totals are since the start.
type status struct {
	Status     string   `json:"status"`
	ID         string   `json:"id"`                 // the first of IDs
	External   []string `json:"external,omitempty"` // where others see the node, once they agree
	Version    string   `json:"version"`
	Listen     []string `json:"listen"`
	IDs        []string `json:"ids"` // by address in Listen: what the node is called there
	Workers    int      `json:"workers"`
	UptimeS    int64    `json:"uptime_s"`
	Nodes4     int      `json:"nodes_ipv4"`
	Nodes6     int      `json:"nodes_ipv6"`
	Peers      int      `json:"peers"`
	Infohashes int      `json:"infohashes"`
	Items      int      `json:"items"` // of BEP 44
	Replies    uint64   `json:"replies"`
	Errors     uint64   `json:"errors"`  // KRPC errors sent
	Ignored    uint64   `json:"ignored"` // datagrams that deserved no answer
	Lost       uint64   `json:"lost"`    // dropped by the kernel at the sockets, or refused by it when sent

	Conntrack *conntrackStatus `json:"conntrack,omitempty"`
}

func (w *worker) status() status {
	now := w.clock.now()
	t, u := w.total(), w.stats()
	s := status{
		Status: statusOK, Version: versionText(), Workers: len(w.crew), UptimeS: int64(time.Duration(now).Seconds()),
		Nodes4: t.counts.Nodes4, Nodes6: t.counts.Nodes6,
		Peers: t.counts.Peers, Infohashes: t.counts.Infohashes, Items: t.counts.Items,
		Replies: t.replies, Ignored: u.Truncated,
		Lost: u.BufferDrops + u.SendErrors.Permission + u.SendErrors.NoBuffer + u.SendErrors.Unreachable + u.SendErrors.Other,
	}
	if time.Duration(now-t.at) > stallLimit {
		s.Status = statusStalled
	}
	for _, n := range t.errors {
		s.Errors += n
	}
	for _, n := range t.verdicts[dht.DropMalformed:] {
		s.Ignored += n
	}
	for i, addr := range w.transport.Local() {
		s.Listen = append(s.Listen, addr.String())
		s.IDs = append(s.IDs, t.selves[i].hexID())
	}
	for _, addr := range external(t.selves) {
		s.External = append(s.External, addr.String())
	}
	s.ID = s.IDs[0]
	s.Conntrack = w.guard.status()
	return s
}

// Home is an address and the id the node has there.
type Home struct{ Addr, ID string }

// Homes are the addresses the node is reached at, for people to read.
func (s status) Homes() (homes []Home) {
	for i := range s.Listen {
		homes = append(homes, Home{s.Listen[i], s.IDs[i]})
	}
	return homes
}

// Uptime is for people to read.
func (s status) Uptime() time.Duration { return time.Duration(s.UptimeS) * time.Second }
