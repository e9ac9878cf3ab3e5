// Command anacrolixpeer is a peer of package interop: the Go client github.com/anacrolix/torrent, left as it is
// by default but for the switches that keep it from finding peers in any way but the DHT.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/anacrolix/dht/v2"
	"github.com/anacrolix/torrent"

	"supernode/interop/internal/adapter"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "anacrolixpeer:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	o, err := adapter.Parse("anacrolixpeer", args)
	if err != nil {
		return err
	}
	out := adapter.NewEvents(stdout)
	client, err := torrent.NewClient(config(o, out))
	if err != nil {
		return fmt.Errorf("start client on %v: %w", o.Listen, err)
	}
	defer client.Close()
	if o.Seed != "" {
		err = seed(ctx, client, o, out)
	} else {
		err = download(ctx, client, o.Magnet, out)
	}
	if err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func config(o adapter.Options, out *adapter.Events) *torrent.ClientConfig {
	c := torrent.NewDefaultClientConfig()
	c.ListenHost = func(string) string { return o.Listen.Addr().String() }
	c.ListenPort = int(o.Listen.Port())
	c.DisableIPv4, c.DisableIPv6 = o.Listen.Addr().Is6(), o.Listen.Addr().Is4()
	c.DataDir = o.Dir
	c.Seed = true

	c.DhtStartingNodes = func(string) dht.StartingNodesGetter {
		return func() ([]dht.Addr, error) { return startingNodes(o), nil }
	}
	c.ConfigureAnacrolixDhtServer = func(d *dht.ServerConfig) { d.Passive = o.ReadOnly }

	// The client's writer misses a wake-up now and then (peerConnMsgWriter.run looks for work before it listens for
	// the signal) and goes on at the next keep-alive, by default after a minute.
	c.KeepAliveTimeout = time.Second

	c.DisableTrackers = true
	c.DisablePEX = true
	c.DisableWebtorrent = true
	c.DisableWebseeds = true
	c.NoDefaultPortForwarding = true

	c.Callbacks.PeerConnAdded = append(c.Callbacks.PeerConnAdded, func(p *torrent.PeerConn) {
		out.Say(adapter.Event{
			Event: adapter.Connected, Addr: netip.MustParseAddrPort(p.RemoteAddr.String()), Source: source(p.Discovery),
		})
	})
	return c
}

func startingNodes(o adapter.Options) (nodes []dht.Addr) {
	for _, addr := range o.Nodes {
		nodes = append(nodes, dht.NewAddr(net.UDPAddrFromAddrPort(addr)))
	}
	return nodes
}

func seed(ctx context.Context, client *torrent.Client, o adapter.Options, out *adapter.Events) error {
	info, err := o.Torrent()
	if err != nil {
		return err
	}
	t, err := client.AddTorrent(info)
	if err != nil {
		return fmt.Errorf("add torrent of %s: %w", o.Seed, err)
	}
	if err := t.VerifyDataContext(ctx); err != nil {
		return fmt.Errorf("check content of %s: %w", o.Seed, err)
	}
	out.Say(adapter.Event{Event: adapter.Seeding, InfoHash: t.InfoHash().HexString()})
	return nil
}

func download(ctx context.Context, client *torrent.Client, magnet string, out *adapter.Events) error {
	t, err := client.AddMagnet(magnet)
	if err != nil {
		return fmt.Errorf("add %s: %w", magnet, err)
	}
	select {
	case <-t.GotInfo():
	case <-ctx.Done():
		return ctx.Err()
	}
	t.DownloadAll()
	select {
	case <-t.Complete().On():
	case <-ctx.Done():
		return ctx.Err()
	}
	out.Say(adapter.Event{Event: adapter.Completed})
	return nil
}

// source says how the client came by a peer's address.
func source(s torrent.PeerSource) string {
	switch s {
	case torrent.PeerSourceDhtGetPeers:
		return adapter.FromDHT
	case torrent.PeerSourceIncoming:
		return adapter.Incoming
	}
	return adapter.Other
}
