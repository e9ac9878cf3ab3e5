package main

import (
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"

	"supernode/dht"
	"supernode/dht/wire"
)

// collector turns the workers' counts into metrics at each scrape. Nothing is prepared in advance, so that the
// packet path pays for no metric.
type collector struct{ w *worker }

func newRegistry(w *worker) *prometheus.Registry {
	r := prometheus.NewRegistry()
	r.MustRegister(collector{w}, collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return r
}

func desc(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("supernode_"+name, help, labels, nil)
}

var (
	descQueries   = desc("queries_total", "Queries that were answered or refused, by method.", "method")
	descReplies   = desc("replies_total", "Queries that were answered, errors not included.")
	descErrors    = desc("errors_total", "KRPC errors sent, by code.", "code")
	descDropped   = desc("dropped_total", "Datagrams that were received or to be sent and were dropped, by reason.", "reason")
	descAsked     = desc("own_queries_total", "Queries that the node itself has sent.")
	descAnswers   = desc("own_answers_total", "Answers to queries of the node's own.")
	descQueryIn   = desc("query_bytes_total", "UDP payload of the queries that got a reply or an error.")
	descReplyOut  = desc("reply_bytes_total", "UDP payload of the replies and errors.")
	descAmplified = desc("amplification_ratio", "Bytes of all replies and errors over bytes of the queries they answer; no single reply exceeds 10.")
	descWorker    = desc("worker_datagrams_total", "Datagrams that were handled, by worker.", "worker")
	descReceived  = desc("received_total", "Datagrams received.")
	descBytesIn   = desc("received_bytes_total", "UDP payload received.")
	descBytesOut  = desc("sent_bytes_total", "UDP payload sent.")
	descPassing   = desc("receive_errors_total", "Errors of receiving that passed, such as ICMP errors.")
	descBuild     = desc("build_info", "Always 1; which program this is.", "version")
	descSent      = desc("sent_total", "Datagrams sent.")
	descCalls     = desc("syscalls_total", "System calls that moved datagrams, by direction.", "direction")
	descBatch     = desc("receive_batch_size", "Datagrams in a received batch.")
	descNodes     = desc("nodes", "Verified nodes in the routing table, by address family.", "family")
	descPeers     = desc("peers", "Stored peers.")
	descHashes    = desc("infohashes", "Info_hashes with at least one stored peer.")
	descItems     = desc("items", "Stored items (BEP 44).")
	descExternal  = desc("external_address_info", "Always 1; at which address others see the node, once they agree.", "family", "address")
	descPending   = desc("pending_queries", "Queries of the node's own that wait for an answer.")
	descStateAt   = desc("state_saved_timestamp_seconds", "When the state on disk was saved, by the Unix clock.")
	descStateTook = desc("state_save_seconds", "How long the last save took.")
	descStateSize = desc("state_bytes", "Size of the last saved state.")
	descCtEntries = desc("conntrack_entries", "Connection tracking entries in the node's network namespace.")
	descCtLimit   = desc("conntrack_limit", "Connection tracking entries at most, host-wide.")
	descCtVerdict = desc("conntrack_verdict", "1 for what connection tracking does to the node now, 0 for the rest.", "verdict")
	descCtDrops   = desc("conntrack_drops_total", "Packets of the network namespace dropped since the table was full.")
	descCtEarly   = desc("conntrack_early_drops_total", "Entries of the network namespace evicted to make room.")
)

// Describe leaves the metrics undescribed: which of them exist depends on what the kernel tells.
func (collector) Describe(chan<- *prometheus.Desc) {}

// Collect reads all metrics.
func (c collector) Collect(ch chan<- prometheus.Metric) {
	counter := func(d *prometheus.Desc, v uint64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.CounterValue, float64(v), labels...)
	}
	gauge := func(d *prometheus.Desc, v float64, labels ...string) {
		ch <- prometheus.MustNewConstMetric(d, prometheus.GaugeValue, v, labels...)
	}
	t, u := c.w.total(), c.w.stats()
	for m := range wire.Methods {
		counter(descQueries, t.queries[m], m.String())
	}
	counter(descReplies, t.replies)
	for i, n := range t.errors {
		if n > 0 || i == wire.CodeProtocol-firstError || i == wire.CodeMethodUnknown-firstError {
			counter(descErrors, n, strconv.Itoa(firstError+i))
		}
	}
	for v := dht.DropMalformed; v < dht.Verdicts; v++ {
		counter(descDropped, t.verdicts[v], v.String())
	}
	counter(descDropped, u.Truncated, "truncated")
	counter(descDropped, u.BufferDrops, "receive_buffer")
	counter(descDropped, u.SendErrors.Permission, "send_eperm")
	counter(descDropped, u.SendErrors.NoBuffer, "send_buffer")
	counter(descDropped, u.SendErrors.Unreachable, "send_unreachable")
	counter(descDropped, u.SendErrors.Other, "send_other")
	counter(descAsked, t.asked)
	counter(descAnswers, t.verdicts[dht.Accepted])
	counter(descQueryIn, t.queryBytes)
	counter(descReplyOut, t.replyBytes)
	gauge(descAmplified, t.amplification())
	for i, m := range c.w.crew {
		counted := m.published.read()
		counter(descWorker, counted.datagrams, strconv.Itoa(i))
	}
	counter(descReceived, u.Received)
	counter(descSent, u.Sent)
	counter(descBytesIn, u.BytesIn)
	counter(descBytesOut, u.BytesOut)
	counter(descPassing, u.ReceiveErrors)
	gauge(descBuild, 1, versionText())
	counter(descCalls, u.ReceiveCalls, "receive")
	counter(descCalls, u.SendCalls, "send")
	gauge(descNodes, float64(t.counts.Nodes4), "ipv4")
	gauge(descNodes, float64(t.counts.Nodes6), "ipv6")
	gauge(descPeers, float64(t.counts.Peers))
	gauge(descHashes, float64(t.counts.Infohashes))
	gauge(descItems, float64(t.counts.Items))
	gauge(descPending, float64(t.counts.Pending))
	for _, addr := range external(t.selves) {
		gauge(descExternal, 1, [2]string{"ipv4", "ipv6"}[family(addr)], addr.String())
	}
	ch <- batchHistogram(&t)
	if k := c.w.keeper; k != nil && k.at.Load() != 0 {
		gauge(descStateAt, float64(k.at.Load())/1e9)
		gauge(descStateTook, time.Duration(k.took.Load()).Seconds())
		gauge(descStateSize, float64(k.bytes.Load()))
	}
	c.collectConntrack(counter, gauge)
}

func (c collector) collectConntrack(counter func(*prometheus.Desc, uint64, ...string), gauge func(*prometheus.Desc, float64, ...string)) {
	s := c.w.guard.status()
	if s == nil {
		return
	}
	for _, v := range verdicts {
		is := 0.0
		if v == s.Verdict {
			is = 1
		}
		gauge(descCtVerdict, is, string(v))
	}
	if !s.Present {
		return
	}
	gauge(descCtEntries, float64(s.Entries))
	gauge(descCtLimit, float64(s.Limit))
	counter(descCtDrops, s.Drops)
	counter(descCtEarly, s.EarlyDrop)
}

// batchHistogram makes cumulative buckets with upper bounds 1, 3, 7, ... of the counts by number of bits.
func batchHistogram(t *tally) prometheus.Metric {
	buckets := make(map[float64]uint64, batchBuckets)
	total := uint64(0)
	for i := 1; i < batchBuckets; i++ {
		total += t.batches[i]
		buckets[float64(uint(1)<<i-1)] = total
	}
	return prometheus.MustNewConstHistogram(descBatch, total, float64(t.datagrams), buckets)
}
