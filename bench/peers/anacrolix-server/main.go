// Command anacrolix-server serves the DHT with github.com/anacrolix/dht, for measuring it beside supernode: alone (no
// bootstrap), with its send limiter lifted and its peer store on, so that it answers all it can.
//
//	anacrolix-server ADDR:PORT
package main

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"syscall"

	"github.com/anacrolix/dht/v2"
	"github.com/anacrolix/dht/v2/krpc"
	peer_store "github.com/anacrolix/dht/v2/peer-store"
	"github.com/anacrolix/log"
	"golang.org/x/time/rate"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "anacrolix-server:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one argument, the ADDR:PORT to listen on, not %d", len(args))
	}
	conn, err := net.ListenPacket("udp", args[0])
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	defer conn.Close()
	// A socket buffer as large as supernode's: the comparison is of servers, not of defaults.
	if err := conn.(*net.UDPConn).SetReadBuffer(2 << 20); err != nil {
		return fmt.Errorf("set receive buffer: %w", err)
	}
	config := dht.NewDefaultServerConfig()
	config.Conn = conn
	config.NoSecurity = true
	config.StartingNodes = func() ([]dht.Addr, error) { return nil, nil }
	config.SendLimiter = rate.NewLimiter(rate.Inf, 0)
	config.PeerStore = &store{peers: make(map[peer_store.InfoHash]map[netip.Addr]uint16)}
	config.Logger = log.Default.FilterLevel(log.Error)
	asked := make(chan *net.UDPAddr)
	config.OnQuery = func(_ *krpc.Msg, source net.Addr) bool {
		select {
		case asked <- source.(*net.UDPAddr):
		default:
		}
		return true
	}
	server, err := dht.NewServer(config)
	if err != nil {
		return fmt.Errorf("start server: %w", err)
	}
	defer server.Close()
	go meet(server, asked)

	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	<-stop
	return nil
}

// neighbours is how many of those that ask are pinged, which is many times what the table has room for.
const neighbours = 1000

// meet pings the first that ask. The library keeps whoever asks, but names only nodes that have answered it, and leaves it to
// others to make them.
func meet(server *dht.Server, asked <-chan *net.UDPAddr) {
	for range neighbours {
		server.Ping(<-asked)
	}
}
