// Command lookup finds the peers of a torrent in the BitTorrent DHT and prints their addresses, one a line:
//
//	lookup [--bootstrap HOST:PORT ...] [--timeout 30s] INFO_HASH
//
// It shows how a program of your own embeds package dht: the node is a state machine, and what you bring is a
// socket, a clock and the loop in between. It needs no open port, and leaves no trace in the network: it is
// read-only (BEP 43).
package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"time"

	"supernode/dht"
	"supernode/dht/wire"
)

// wellKnown are nodes run for those who know nobody yet.
var wellKnown = []string{"router.bittorrent.com:6881", "dht.transmissionbt.com:6881", "dht.libtorrent.org:25401"}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdout, os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "lookup:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdout, stderr io.Writer) error {
	flags := flag.NewFlagSet("lookup", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprintln(stderr, "lookup prints the peers of a torrent: lookup [flags] INFO_HASH")
		flags.PrintDefaults()
	}
	var bootstrap []string
	flags.Func("bootstrap", "`HOST:PORT` of a node to begin with, repeatable", func(s string) error {
		bootstrap = append(bootstrap, s)
		return nil
	})
	timeout := flags.Duration("timeout", 30*time.Second, "give up after this `time`")
	private := flags.Bool("allow-private", false, "also talk to private and loopback addresses")
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	target, err := hex.DecodeString(flags.Arg(0))
	if err != nil || flags.NArg() != 1 || len(target) != len(wire.ID{}) {
		return errors.New("one INFO_HASH is needed, of 40 hexadecimal digits")
	}
	if len(bootstrap) == 0 {
		bootstrap = wellKnown
	}
	ctx, cancel := context.WithTimeout(ctx, *timeout)
	defer cancel()
	seeds, err := resolve(ctx, bootstrap)
	if err != nil {
		return err
	}

	config := dht.Config{MaxNodes: 1000, MaxPeers: 1, ReadOnly: true, AllowPrivate: *private}
	rand.Read(config.Seed[:])
	node, err := dht.New(config)
	if err != nil {
		return fmt.Errorf("make node: %w", err)
	}
	node.Bootstrap(0, seeds...)
	var result *dht.Result
	err = node.Search(0, dht.Search{
		Method: wire.GetPeers,
		Target: wire.ID(target),
		Peer:   func(peer netip.AddrPort) { fmt.Fprintln(stdout, peer) },
		Done:   func(r dht.Result) { result = &r },
	})
	if err != nil {
		return err
	}
	if err := drive(ctx, node, func() bool { return result != nil }); err != nil {
		return err
	}
	if result.Asked == 0 {
		return errors.New("nobody could be asked: private and loopback addresses take --allow-private")
	}
	if result.Answered == 0 {
		return fmt.Errorf("none of %d bootstrap nodes answered: is UDP blocked here?", len(seeds))
	}
	fmt.Fprintf(stderr, "%d peers, %d nodes asked, %d answered\n", result.Peers, result.Asked, result.Answered)
	return nil
}

// resolve finds the addresses behind names. It fails only if it finds none.
func resolve(ctx context.Context, names []string) (addrs []netip.AddrPort, err error) {
	var failures []error
	for _, name := range names {
		host, service, err := net.SplitHostPort(name)
		if err != nil {
			return nil, fmt.Errorf("--bootstrap %s: must be HOST:PORT", name)
		}
		port, err := net.DefaultResolver.LookupPort(ctx, "udp", service)
		if err != nil {
			return nil, fmt.Errorf("--bootstrap %s: %w", name, err)
		}
		ips, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
		if err != nil {
			failures = append(failures, err)
		}
		for _, ip := range ips {
			addrs = append(addrs, netip.AddrPortFrom(ip, uint16(port)))
		}
	}
	if len(addrs) == 0 {
		return nil, fmt.Errorf("resolve bootstrap nodes: %w", errors.Join(failures...))
	}
	return addrs, nil
}

// drive is the loop that a node needs: send what it has to say, hear what others say until it wants to speak again.
func drive(ctx context.Context, node *dht.Node, done func() bool) error {
	conn, err := net.ListenUDP("udp", nil)
	if err != nil {
		return fmt.Errorf("open socket: %w", err)
	}
	defer conn.Close()
	start := time.Now()
	now := func() dht.Instant { return dht.Instant(time.Since(start)) }
	out, in := make([]byte, 0, 2048), make([]byte, 2048)
	for {
		for {
			datagram, to, ok := node.Poll(now(), out)
			if !ok {
				break
			}
			conn.WriteToUDPAddrPort(datagram, to) // if it is lost, it is lost
		}
		if done() {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("stopped before the search was over: %w", ctx.Err())
		}
		wake := start.Add(time.Duration(node.NextWake()))
		if soon := time.Now().Add(time.Second); wake.After(soon) {
			wake = soon // to see whether ctx has ended
		}
		conn.SetReadDeadline(wake)
		n, from, err := conn.ReadFromUDPAddrPort(in)
		if err != nil {
			continue // time is up, or an ICMP error that passes
		}
		from = netip.AddrPortFrom(from.Addr().Unmap(), from.Port())
		if reply, _ := node.Handle(now(), from, in[:n], out); len(reply) > 0 {
			conn.WriteToUDPAddrPort(reply, from)
		}
	}
}
