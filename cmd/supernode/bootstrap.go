package main

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"time"
)

const (
	resolveTimeout  = 10 * time.Second
	resolveRetryMin = 5 * time.Second
	resolveRetryMax = 10 * time.Minute

	// resolveAgain is how often names are looked up when all is well: their addresses change over months.
	resolveAgain = time.Hour
)

// keepBootstrapping resolves the bootstrap names, to IPv4 and IPv6, and hands the addresses to the node. Names
// that cannot be resolved are tried again at growing intervals: a node that starts before its network is up
// must find its way later.
func keepBootstrapping(ctx context.Context, nodes []hostPort, w *worker, log *slog.Logger) {
	if len(nodes) == 0 {
		return
	}
	retry := resolveRetryMin
	for {
		addrs, failed := resolve(ctx, nodes, log)
		if len(addrs) > 0 {
			log.Debug("bootstrap nodes resolved", "addresses", addrs)
			w.bootstrap(addrs)
		}
		pause := resolveAgain
		if failed {
			pause, retry = retry, min(2*retry, resolveRetryMax)
		} else {
			retry = resolveRetryMin
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(pause):
		}
	}
}

// resolve looks up all nodes; failed says that at least one name has no address now.
func resolve(ctx context.Context, nodes []hostPort, log *slog.Logger) (addrs []netip.AddrPort, failed bool) {
	for _, node := range nodes {
		lookup, cancel := context.WithTimeout(ctx, resolveTimeout)
		ips, err := net.DefaultResolver.LookupNetIP(lookup, "ip", node.host)
		cancel()
		if err != nil {
			if ctx.Err() == nil {
				log.Warn("bootstrap node not resolved, will be tried again", "node", node.String(), "error", err)
			}
			failed = true
			continue
		}
		for _, ip := range ips {
			addrs = append(addrs, netip.AddrPortFrom(ip.Unmap(), node.port))
		}
	}
	return addrs, failed
}
