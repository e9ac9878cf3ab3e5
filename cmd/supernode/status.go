package main

import (
	"encoding/hex"
	"time"

	"supernode/dht"
	"supernode/internal/conntrack"
)

const (
	statusOK      = "ok"
	statusStalled = "stalled"

	// stallLimit is how long the worker may be silent before it counts as stalled. It goes round its loop at
	// least once a heartbeat.
	stallLimit = 5 * time.Second
)

// status is the answer of /healthz and the content of the page. Totals are since the start.
type status struct {
	Status     string   `json:"status"`
	ID         string   `json:"id"`  // among IPv4 nodes
	ID6        string   `json:"id6"` // among IPv6 nodes, often the same
	Version    string   `json:"version"`
	Listen     []string `json:"listen"`
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

type conntrackStatus struct {
	Entries uint64 `json:"entries"`
	Limit   uint64 `json:"limit"`
}

func (w *worker) status() status {
	now := w.clock.now()
	t, u := w.published.read(), w.transport.Stats()
	s := status{
		Status: statusOK, ID: hex.EncodeToString(w.nodeID[:]), ID6: hex.EncodeToString(w.nodeID6[:]), Version: versionText(),
		UptimeS: int64(time.Duration(now).Seconds()),
		Nodes4:  t.counts.Nodes4, Nodes6: t.counts.Nodes6,
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
	for _, addr := range w.transport.Local() {
		s.Listen = append(s.Listen, addr.String())
	}
	if facts, err := conntrack.Read(); err == nil && facts.Present {
		s.Conntrack = &conntrackStatus{facts.Count, facts.Limit}
	}
	return s
}

// Uptime is for people to read.
func (s status) Uptime() time.Duration { return time.Duration(s.UptimeS) * time.Second }
