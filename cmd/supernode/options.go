package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"

	"github.com/spf13/pflag"

	"supernode/dht"
	"supernode/internal/pin"
)

const none = "none"

// options are the flags of "run" as they were given; settle makes them a config.
type options struct {
	listen       []string
	bootstrap    []string
	http         string
	io           string
	batch        int
	cpu          pin.List
	allowPrivate bool
	maxNodes     int
	maxPeers     int
	logLevel     string
	logFormat    string
}

// defaultBootstrap are nodes that are run to be asked first.
var defaultBootstrap = []string{
	"router.bittorrent.com:6881",
	"dht.transmissionbt.com:6881",
	"router.utorrent.com:6881",
	"dht.libtorrent.org:25401",
}

func (o *options) register(f *pflag.FlagSet) {
	f.StringArrayVar(&o.listen, "listen", []string{"0.0.0.0:6881", "[::]:6881"}, "`ADDR:PORT` to answer on; may be repeated")
	f.StringArrayVar(&o.bootstrap, "bootstrap", defaultBootstrap, "`HOST:PORT` of a node to ask for others, or none; may be repeated")
	f.StringVar(&o.http, "http", "127.0.0.1:6880", "`ADDR:PORT` of the status page, /metrics, /healthz and /debug/pprof, or none")
	f.StringVar(&o.io, "io", defaultIO, "how datagrams are moved: mmsg (batched system calls, Linux) or net (portable)")
	f.IntVar(&o.batch, "batch", 64, "datagrams moved by one system call, 1 to 1024")
	f.Var(&o.cpu, "cpu", "processors to run on, as in 0,2-3")
	f.BoolVar(&o.allowPrivate, "allow-private", false, "also talk to private, loopback and reserved addresses (for labs)")
	f.IntVar(&o.maxNodes, "max-nodes", dht.DefaultMaxNodes, "nodes in the routing table of each address family at most")
	f.IntVar(&o.maxPeers, "max-peers", dht.DefaultMaxPeers, "peers stored at most")
	f.StringVar(&o.logLevel, "log-level", "info", "debug, info, warn or error")
	f.StringVar(&o.logFormat, "log-format", "text", "text or json")
}

// config is what a run is made of, checked.
type config struct {
	options
	listen       []netip.AddrPort
	listenChosen bool // by the user, not by default
	bootstrap    []hostPort
	level        slog.Level
}

// hostPort is a bootstrap node's name, not yet resolved.
type hostPort struct {
	host string
	port uint16
}

func (h hostPort) String() string { return net.JoinHostPort(h.host, strconv.Itoa(int(h.port))) }

// settle checks the options. Every error is a usageError that names the flag.
func (o *options) settle() (*config, error) {
	c := &config{options: *o}
	for _, text := range o.listen {
		addr, err := netip.ParseAddrPort(text)
		if err != nil {
			return nil, wrong("listen", text, "must be an IP address and a port, as in 0.0.0.0:6881 or [::]:6881")
		}
		c.listen = append(c.listen, netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port()))
	}
	for _, text := range o.bootstrap {
		if text == none {
			if len(o.bootstrap) > 1 {
				return nil, wrong("bootstrap", text, "cannot be combined with other bootstrap nodes")
			}
			break
		}
		host, port, err := net.SplitHostPort(text)
		number, errPort := strconv.ParseUint(port, 10, 16)
		if err != nil || errPort != nil || host == "" || number == 0 {
			return nil, wrong("bootstrap", text, "must be a host and a port, as in router.bittorrent.com:6881, or none")
		}
		c.bootstrap = append(c.bootstrap, hostPort{host, uint16(number)})
	}
	if o.http != none {
		if _, err := netip.ParseAddrPort(o.http); err != nil {
			return nil, wrong("http", o.http, "must be an IP address and a port, as in 127.0.0.1:6880, or none")
		}
	}
	if openers[o.io] == nil {
		return nil, wrong("io", o.io, "must be mmsg or net")
	}
	if o.batch < 1 || o.batch > 1024 {
		return nil, wrong("batch", strconv.Itoa(o.batch), "must be 1 to 1024")
	}
	if o.maxNodes < 1 || o.maxNodes > dht.MaxMaxNodes {
		return nil, wrong("max-nodes", strconv.Itoa(o.maxNodes), fmt.Sprintf("must be 1 to %d", dht.MaxMaxNodes))
	}
	if o.maxPeers < 1 || o.maxPeers > dht.MaxMaxPeers {
		return nil, wrong("max-peers", strconv.Itoa(o.maxPeers), fmt.Sprintf("must be 1 to %d", dht.MaxMaxPeers))
	}
	if err := c.level.UnmarshalText([]byte(o.logLevel)); err != nil {
		return nil, wrong("log-level", o.logLevel, "must be debug, info, warn or error")
	}
	if o.logFormat != "text" && o.logFormat != "json" {
		return nil, wrong("log-format", o.logFormat, "must be text or json")
	}
	return c, nil
}

func wrong(flag, value, mend string) error {
	return usageError{errors.New("--" + flag + " " + strconv.Quote(value) + ": " + mend)}
}
