// Command anacrolixdht is a user of package interop: the DHT library github.com/anacrolix/dht.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"

	"github.com/anacrolix/dht/v2"

	"supernode/interop/internal/adapter"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:], os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "anacrolixdht:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string, stdin io.Reader, stdout io.Writer) error {
	o, err := adapter.ParseUser("anacrolixdht", args)
	if err != nil {
		return err
	}
	u, err := newUser(o)
	if err != nil {
		return err
	}
	defer u.server.Close()
	out := json.NewEncoder(stdout)
	if err := out.Encode(adapter.Answer{}); err != nil {
		return err
	}
	for lines := bufio.NewScanner(stdin); lines.Scan(); {
		var q adapter.Request
		if err := json.Unmarshal(lines.Bytes(), &q); err != nil {
			return fmt.Errorf("read request: %w", err)
		}
		answer, err := u.do(ctx, q)
		if err != nil {
			answer = adapter.Answer{Error: err.Error()}
		}
		if err := out.Encode(answer); err != nil {
			return err
		}
	}
	return nil
}

type user struct {
	server *dht.Server
	node   dht.Addr
	port   int // that it announces: its own
}

// newUser makes a read-only node (BEP 43) that enforces BEP 42, as anacrolix/torrent has it.
func newUser(o adapter.Options) (*user, error) {
	conn, err := net.ListenUDP("udp", net.UDPAddrFromAddrPort(o.Listen))
	if err != nil {
		return nil, fmt.Errorf("listen: %w", err)
	}
	node := dht.NewAddr(net.UDPAddrFromAddrPort(o.Nodes[0]))
	c := dht.NewDefaultServerConfig()
	c.Conn, c.Passive, c.NoSecurity = conn, true, false
	c.StartingNodes = func() ([]dht.Addr, error) { return []dht.Addr{node}, nil }
	server, err := dht.NewServer(c)
	if err != nil {
		conn.Close()
		return nil, fmt.Errorf("start: %w", err)
	}
	return &user{server, node, int(o.Listen.Port())}, nil
}

func (u *user) do(ctx context.Context, q adapter.Request) (adapter.Answer, error) {
	switch q.Do {
	case adapter.Announce:
		return u.announce(ctx, q)
	case adapter.FindNode:
		return u.findNode(q)
	case adapter.GetPeers:
		return u.getPeers(ctx, q)
	case adapter.Put, adapter.PutMutable:
		return u.put(ctx, q)
	case adapter.Get, adapter.GetMutable:
		return u.get(ctx, q)
	case adapter.Sample:
		return u.sample(ctx, q)
	case adapter.Scrape:
		return u.scrape(ctx, q)
	}
	return adapter.Answer{}, fmt.Errorf("%s: cannot do that", q.Do)
}
