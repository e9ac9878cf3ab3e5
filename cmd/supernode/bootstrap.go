package main

import (
	"context"
	"log/slog"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"
)

const (
	resolveTimeout  = 10 * time.Second
	resolveRetryMin = 5 * time.Second
	resolveRetryMax = 10 * time.Minute

	// resolveAgain is how often names are looked up when all is well: their addresses change over months.
	resolveAgain = time.Hour
)

// bootstrapper resolves the names of the bootstrap nodes, to IPv4 and IPv6, and gives the addresses to the node.
// Names that cannot be resolved are tried again at growing intervals: a node that starts before its network is
// up must find its way later.
type bootstrapper struct {
	nodes  []bootstrapNode
	lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)
	give   func([]netip.AddrPort)
	log    *slog.Logger
}

type bootstrapNode struct {
	hostPort
	addrs   []netip.Addr // of the last look-up that succeeded, sorted
	failing bool         // the last one failed
}

func newBootstrapper(names []hostPort, give func([]netip.AddrPort), log *slog.Logger) *bootstrapper {
	b := &bootstrapper{lookup: net.DefaultResolver.LookupNetIP, give: give, log: log}
	for _, name := range names {
		b.nodes = append(b.nodes, bootstrapNode{hostPort: name})
	}
	return b
}

// run returns when ctx ends, or at once if there are no names.
func (b *bootstrapper) run(ctx context.Context) {
	retry := resolveRetryMin
	for len(b.nodes) > 0 {
		changed, failing := b.resolve(ctx)
		if ctx.Err() != nil {
			return
		}
		if changed {
			addrs := b.addrs()
			b.log.Debug("bootstrap nodes resolved", "addresses", addrs)
			b.give(addrs)
		}
		pause := resolveAgain
		if failing {
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

// resolve looks up all names at once, so that one dead name server does not hold up the others. It says whether any
// address is new or gone, and whether any name could not be resolved: that one keeps the addresses it had.
func (b *bootstrapper) resolve(ctx context.Context) (changed, failing bool) {
	limited, cancel := context.WithTimeout(ctx, resolveTimeout)
	defer cancel()
	results := make([]struct {
		addrs []netip.Addr
		err   error
	}, len(b.nodes))
	var lookups sync.WaitGroup
	for i := range b.nodes {
		lookups.Go(func() {
			results[i].addrs, results[i].err = b.lookup(limited, "ip", b.nodes[i].host)
		})
	}
	lookups.Wait()
	if ctx.Err() != nil {
		return false, false
	}
	for i, r := range results {
		node := &b.nodes[i]
		if r.err != nil {
			b.warn(node, r.err)
			node.failing, failing = true, true
			continue
		}
		if node.failing {
			b.log.Info("bootstrap node resolved at last", "node", node.String())
			node.failing = false
		}
		slices.SortFunc(r.addrs, netip.Addr.Compare) // name servers rotate them
		if !slices.Equal(r.addrs, node.addrs) {
			node.addrs, changed = r.addrs, true
		}
	}
	return changed, failing
}

// warn logs the first of a row of failures for all to see: a name that is gone for good must not fill the log.
func (b *bootstrapper) warn(node *bootstrapNode, err error) {
	level := slog.LevelWarn
	if node.failing {
		level = slog.LevelDebug
	}
	b.log.Log(context.Background(), level, "bootstrap node not resolved, will be tried again",
		"node", node.String(), "error", err)
}

func (b *bootstrapper) addrs() (addrs []netip.AddrPort) {
	for _, node := range b.nodes {
		for _, addr := range node.addrs {
			addrs = append(addrs, netip.AddrPortFrom(addr.Unmap(), node.port))
		}
	}
	return addrs
}
