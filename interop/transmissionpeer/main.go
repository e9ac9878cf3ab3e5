// Command transmissionpeer is a peer of package interop: Transmission as Debian packages it, left as it is by default
// but for the switches that keep it from finding peers in any way but the DHT. It runs transmission-cli, which is the
// client without a service that would start with the machine.
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/anacrolix/torrent/bencode"

	"supernode/interop/internal/adapter"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "transmissionpeer:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	o, err := adapter.Parse("transmissionpeer", args)
	if err != nil {
		return err
	}
	home := filepath.Join(o.Dir, "transmission")
	if err := os.Mkdir(home, 0o700); err != nil {
		return fmt.Errorf("make configuration: %w", err)
	}
	if err := configure(home, o); err != nil {
		return fmt.Errorf("make configuration: %w", err)
	}
	flags := []string{"--config-dir", home, "--download-dir", o.Dir, "--port", strconv.Itoa(int(o.Listen.Port())), "--no-portmap"}
	if o.Seed != "" {
		torrent := filepath.Join(home, "seed.torrent")
		if err := o.WriteTorrent(torrent); err != nil {
			return err
		}
		// Without --verify: what is added is checked anyway, and the program ends when it finds the torrent stopped, as it is
		// for a moment between the first check and a second one.
		flags = append(flags, torrent)
	} else {
		flags = append(flags, o.Magnet)
	}
	child, err := adapter.Start("transmission-cli", flags...)
	if err != nil {
		return err
	}
	return watch(child, o, adapter.NewEvents(stdout))
}

// configure writes the settings and what Transmission remembers of the DHT from its last run. The other way to tell it
// of nodes, a file dht.bootstrap, takes a quarter of a minute a node.
func configure(home string, o adapter.Options) error {
	settings, err := json.Marshal(map[string]any{
		"bind-address-ipv4":       o.Listen.Addr(),
		"dht-enabled":             true,
		"pex-enabled":             false,
		"lpd-enabled":             false,
		"port-forwarding-enabled": false,
		"rpc-enabled":             true,
		"rpc-bind-address":        "127.0.0.1",
	})
	if err != nil {
		return err
	}
	var nodes []byte
	for _, addr := range o.Nodes {
		ip := addr.Addr().As4()
		nodes = append(nodes, ip[:]...)
		nodes = append(nodes, byte(addr.Port()>>8), byte(addr.Port()))
	}
	known, err := bencode.Marshal(map[string][]byte{"nodes": nodes})
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(home, "settings.json"), settings, 0o600); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(home, "dht.dat"), known, 0o600)
}

// watch tells what happens for as long as the client runs.
func watch(child *adapter.Child, o adapter.Options, out *adapter.Events) error {
	var client rpc
	done, connected := false, make(map[netip.AddrPort]bool)
	for range time.Tick(50 * time.Millisecond) {
		if err := child.Ended(); err != nil {
			return err
		}
		t, err := client.torrent()
		if failed := (*url.Error)(nil); errors.As(err, &failed) || err == nil && t == nil {
			continue // not up yet, or too busy to hold the connection; one that has ended is found above
		}
		if err != nil {
			return err
		}
		if t.ErrorString != "" {
			return fmt.Errorf("the torrent has failed: %s", t.ErrorString)
		}
		for _, p := range t.Peers {
			addr := netip.AddrPortFrom(p.Address, p.Port)
			if !connected[addr] {
				connected[addr] = true
				out.Say(adapter.Event{Event: adapter.Connected, Addr: addr, Source: p.source()})
			}
		}
		if done || t.PercentDone < 1 || t.Status != statusSeed {
			continue
		}
		done = true
		if o.Seed != "" {
			out.Say(adapter.Event{Event: adapter.Seeding, InfoHash: t.HashString})
		} else {
			out.Say(adapter.Event{Event: adapter.Completed})
		}
	}
	return nil
}
