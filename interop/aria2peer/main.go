// Command aria2peer is a peer of package interop: aria2 as Debian packages it, left as it is by default but for the
// switches that keep it from finding peers in any way but the DHT. It does not say where it knows a peer from.
package main

import (
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"supernode/interop/internal/adapter"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "aria2peer:", err)
		os.Exit(1)
	}
}

func run(args []string, stdout io.Writer) error {
	o, err := adapter.Parse("aria2peer", args)
	if err != nil {
		return err
	}
	home := filepath.Join(o.Dir, "aria2")
	if err := os.Mkdir(home, 0o700); err != nil {
		return fmt.Errorf("make directory for aria2's files: %w", err)
	}
	source := o.Magnet
	if o.Seed != "" {
		source = filepath.Join(home, "seed.torrent")
		if err := o.WriteTorrent(source); err != nil {
			return err
		}
	}
	child, err := adapter.Start("aria2c", append(flags(home, o), source)...)
	if err != nil {
		return err
	}
	return watch(child, o, adapter.NewEvents(stdout))
}

func flags(home string, o adapter.Options) []string {
	port, node := strconv.Itoa(int(o.Listen.Port())), o.Nodes[0].String()
	f := []string{
		"--no-conf", "--dir=" + o.Dir, "--check-integrity", "--seed-ratio=0",
		"--listen-port=" + port, "--dht-listen-port=" + port,
		"--enable-peer-exchange=false", "--bt-enable-lpd=false",
		"--enable-rpc", "--summary-interval=0", "--show-console-readout=false",
	}
	if o.Listen.Addr().Is6() {
		return append(f, "--enable-dht=false", "--enable-dht6", "--dht-listen-addr6="+o.Listen.Addr().String(),
			"--dht-entry-point6="+node, "--dht-file-path6="+filepath.Join(home, "dht6.dat"))
	}
	return append(f, "--dht-entry-point="+node, "--dht-file-path="+filepath.Join(home, "dht.dat"))
}

// watch tells what happens for as long as the client runs.
func watch(child *adapter.Child, o adapter.Options, out *adapter.Events) error {
	client := newRPC(o.Listen.Addr())
	done, connected := false, make(map[netip.AddrPort]bool)
	for range time.Tick(50 * time.Millisecond) {
		if err := child.Ended(); err != nil {
			return err
		}
		var downloads []download
		if err := client.call(&downloads, "aria2.tellActive"); errors.Is(err, syscall.ECONNREFUSED) {
			continue // not up yet
		} else if err != nil {
			return err
		}
		for _, d := range downloads {
			var peers []remotePeer
			if err := client.call(&peers, "aria2.getPeers", d.GID); err != nil {
				continue // the download of a magnet link's metadata has given way to that of the content
			}
			for _, p := range peers {
				addr, err := p.addr()
				if err != nil {
					return err
				}
				if !connected[addr] {
					connected[addr] = true
					out.Say(adapter.Event{Event: adapter.Connected, Addr: addr, Source: adapter.Other})
				}
			}
			if !done && d.seeding() {
				done = true
				if o.Seed != "" {
					out.Say(adapter.Event{Event: adapter.Seeding, InfoHash: d.InfoHash})
				} else {
					out.Say(adapter.Event{Event: adapter.Completed})
				}
			}
		}
	}
	return nil
}
