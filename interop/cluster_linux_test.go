package interop

import (
	"context"
	"fmt"
	"slices"
	"testing"
)

// cluster is the nodes of a swarm, each on a host of its own: one, but for clients that want to know more. The first
// was started with --bootstrap none, the others with --bootstrap FIRST.
type cluster []*node

// startCluster starts n nodes and returns when the first knows all others, which it tells of whoever asks.
func startCluster(ctx context.Context, t *testing.T, net *network, n int) cluster {
	t.Helper()
	c := cluster{startNode(ctx, t, net.host(ctx, t, "node"), "none")}
	for i := 2; i <= n; i++ {
		c = append(c, startNode(ctx, t, net.host(ctx, t, fmt.Sprintf("node%d", i)), c[0].addr.String()))
	}
	c[0].awaitMetric(ctx, t, `supernode_nodes{family="`+net.family.name+`"}`, float64(n-1))
	return c
}

// awaitPeers waits until a node has stored that many peers, and returns the counts of that moment.
func (c cluster) awaitPeers(ctx context.Context, t *testing.T, want float64) (values counts) {
	t.Helper()
	await(ctx, t, fmt.Sprintf("a node has %v peers", want), func() (err error) {
		values, err = c.counts(ctx)
		if most := values.most("supernode_peers"); err == nil && most < want {
			err = fmt.Errorf("the most any has is %v", most)
		}
		return err
	})
	return values
}

// counts are the metrics of a cluster's nodes.
type counts []map[string]float64

func (c cluster) counts(ctx context.Context) (values counts, err error) {
	for _, n := range c {
		one, err := n.metrics(ctx)
		if err != nil {
			return nil, err
		}
		values = append(values, one)
	}
	return values, nil
}

// of is what each node says under a name.
func (c counts) of(name string) (values []float64) {
	for _, one := range c {
		values = append(values, one[name])
	}
	return values
}

func (c counts) sum(name string) (sum float64) {
	for _, value := range c.of(name) {
		sum += value
	}
	return sum
}

func (c counts) most(name string) float64 {
	return slices.Max(append(c.of(name), 0))
}
