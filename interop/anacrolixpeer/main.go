// Command anacrolixpeer is a peer of package interop: the Go client github.com/anacrolix/torrent, left as it is
// by default but for the switches that keep it from finding peers in any way but the DHT.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"

	"github.com/anacrolix/dht/v2"
	"github.com/anacrolix/torrent"
	"github.com/anacrolix/torrent/bencode"
	"github.com/anacrolix/torrent/metainfo"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "anacrolixpeer:", err)
		os.Exit(1)
	}
}

type options struct {
	node, listen netip.AddrPort
	dir          string
	seed, magnet string
	readOnly     bool
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	out := &events{encoder: json.NewEncoder(stdout)}
	client, err := torrent.NewClient(config(o, out))
	if err != nil {
		return fmt.Errorf("start client on %v: %w", o.listen, err)
	}
	defer client.Close()
	if o.seed != "" {
		err = seed(ctx, client, o, out)
	} else {
		err = download(ctx, client, o.magnet, out)
	}
	if err != nil {
		return err
	}
	<-ctx.Done()
	return nil
}

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("anacrolixpeer", flag.ContinueOnError)
	f.TextVar(&o.node, "node", netip.AddrPort{}, "the only DHT node to start from")
	f.TextVar(&o.listen, "listen", netip.AddrPort{}, "address for peers and the DHT")
	f.StringVar(&o.dir, "dir", ".", "where the content is or comes to be")
	f.StringVar(&o.seed, "seed", "", "name of a file in the directory to seed")
	f.StringVar(&o.magnet, "magnet", "", "magnet link to download")
	f.BoolVar(&o.readOnly, "read-only", false, "do not answer DHT queries (BEP 43)")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if !o.node.IsValid() || !o.listen.IsValid() || (o.seed == "") == (o.magnet == "") {
		return o, errors.New("give --node, --listen, and either --seed or --magnet")
	}
	return o, nil
}

func config(o options, out *events) *torrent.ClientConfig {
	c := torrent.NewDefaultClientConfig()
	c.ListenHost = func(string) string { return o.listen.Addr().String() }
	c.ListenPort = int(o.listen.Port())
	c.DisableIPv4, c.DisableIPv6 = o.listen.Addr().Is6(), o.listen.Addr().Is4()
	c.DataDir = o.dir
	c.Seed = true

	c.DhtStartingNodes = func(string) dht.StartingNodesGetter {
		return func() ([]dht.Addr, error) { return []dht.Addr{dht.NewAddr(net.UDPAddrFromAddrPort(o.node))}, nil }
	}
	c.ConfigureAnacrolixDhtServer = func(d *dht.ServerConfig) { d.Passive = o.readOnly }

	// The client's writer misses a wake-up now and then (peerConnMsgWriter.run looks for work before it listens for
	// the signal) and goes on at the next keep-alive, by default after a minute.
	c.KeepAliveTimeout = time.Second

	c.DisableTrackers = true
	c.DisablePEX = true
	c.DisableWebtorrent = true
	c.DisableWebseeds = true
	c.NoDefaultPortForwarding = true

	c.Callbacks.PeerConnAdded = append(c.Callbacks.PeerConnAdded, func(p *torrent.PeerConn) {
		out.say(event{Event: "connected", Addr: p.RemoteAddr.String(), Source: source(p.Discovery)})
	})
	return c
}

func seed(ctx context.Context, client *torrent.Client, o options, out *events) error {
	info := metainfo.Info{PieceLength: 64 << 10}
	if err := info.BuildFromFilePath(filepath.Join(o.dir, o.seed)); err != nil {
		return fmt.Errorf("make torrent of %s: %w", o.seed, err)
	}
	encoded, err := bencode.Marshal(info)
	if err != nil {
		return fmt.Errorf("encode torrent of %s: %w", o.seed, err)
	}
	t, err := client.AddTorrent(&metainfo.MetaInfo{InfoBytes: encoded})
	if err != nil {
		return fmt.Errorf("add torrent of %s: %w", o.seed, err)
	}
	if err := t.VerifyDataContext(ctx); err != nil {
		return fmt.Errorf("check content of %s: %w", o.seed, err)
	}
	out.say(event{Event: "seeding", InfoHash: t.InfoHash().HexString()})
	return nil
}

func download(ctx context.Context, client *torrent.Client, magnet string, out *events) error {
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
	out.say(event{Event: "completed"})
	return nil
}

// source says how the client came by a peer's address.
func source(s torrent.PeerSource) string {
	switch s {
	case torrent.PeerSourceDhtGetPeers:
		return "dht"
	case torrent.PeerSourceIncoming:
		return "incoming"
	}
	return "other"
}

type event struct {
	Event    string `json:"event"`
	InfoHash string `json:"info_hash,omitempty"`
	Addr     string `json:"addr,omitempty"`
	Source   string `json:"source,omitempty"`
}

// events writes one line an event, from any goroutine.
type events struct {
	mu      sync.Mutex
	encoder *json.Encoder
}

func (e *events) say(v event) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err := e.encoder.Encode(v); err != nil {
		fmt.Fprintln(os.Stderr, "anacrolixpeer: write event:", err)
	}
}
