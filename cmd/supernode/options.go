package main

import (
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"supernode/dht"
	"supernode/internal/pin"
)

const (
	none = "none"
	off  = "off"
)

// defaultRateLimit leaves whole networks behind one address alone: a client with a hundred torrents asks any one node
// a few queries a minute, a crawler some tens a second. On the other side it bounds what a forged address
// makes us send to its owner, to 250 replies of at most 1,024 bytes: 2 Mbit/s.
const defaultRateLimit = 250

// minStatePeriod keeps the disk from being written all the time.
const minStatePeriod = 100 * time.Millisecond

// options are the flags of "run" as they were given; settle makes them a config.
type options struct {
	listen       []string
	bootstrap    []string
	http         string
	io           string
	batch        int
	workers      int
	cpu          pin.List
	priority     string
	allowPrivate bool
	enforceBEP42 bool
	maxNodes     int
	maxPeers     int
	maxItems     int
	rateLimit    string
	conntrack    string
	stateDir     string
	statePeriod  time.Duration
	logLevel     string
	logFormat    string
}

var defaultListen = []string{"0.0.0.0:6881", "[::]:6881"}

// defaultBootstrap are nodes that are run to be asked first.
var defaultBootstrap = []string{
	"router.bittorrent.com:6881",
	"dht.transmissionbt.com:6881",
	"router.utorrent.com:6881",
	"dht.libtorrent.org:25401",
}

func (o *options) register(f *pflag.FlagSet) {
	f.SortFlags = false
	f.StringArrayVar(&o.listen, "listen", defaultListen, "`ADDR:PORT` to answer on; may be repeated")
	f.StringArrayVar(&o.bootstrap, "bootstrap", defaultBootstrap, "`HOST:PORT` of a node to ask for others, or none; may be repeated")
	f.StringVar(&o.stateDir, "state-dir", "", "`DIR` to keep the node's ids, nodes, peers and items in over restarts, or none (default $STATE_DIRECTORY, else /var/lib/supernode for root, else ~/.local/state/supernode)")
	f.DurationVar(&o.statePeriod, "state-period", 5*time.Minute, "save the state every `TIME`, and at the end")
	f.StringVar(&o.http, "http", "127.0.0.1:6880", "`ADDR:PORT` of the status page, /metrics, /healthz and /debug/pprof, or none")
	f.StringVar(&o.io, "io", defaultIO, "`BACKEND` that moves datagrams: mmsg (batched system calls, Linux) or net (portable, slower)")
	f.IntVar(&o.batch, "batch", 64, "move up to `N` datagrams by one system call, 1 to 1024")
	f.IntVar(&o.workers, "workers", 1, "answer on `N` threads, 1 to 64, which share the node; more than one needs --io mmsg")
	f.Var(&o.cpu, "cpu", "`LIST` of processors to run on, as in 0,2-3 (default all); several workers get one each, in turn")
	f.StringVar(&o.priority, "priority", priorityAuto, "schedule the thread that answers as `CLASS`: realtime (SCHED_RR), normal, or auto, which is realtime if we may and a processor is left for others")
	f.BoolVar(&o.allowPrivate, "allow-private", false, "also talk to private, loopback and reserved addresses, for labs")
	f.BoolVar(&o.enforceBEP42, "enforce-bep42", false, "neither know nor store for nodes whose ids do not follow from their addresses")
	f.IntVar(&o.maxNodes, "max-nodes", dht.DefaultMaxNodes, "keep at most `N` nodes of each address family in the routing table")
	f.IntVar(&o.maxPeers, "max-peers", dht.DefaultMaxPeers, "store at most `N` peers")
	f.IntVar(&o.maxItems, "max-items", dht.DefaultMaxItems, "store at most `N` items (BEP 44)")
	f.StringVar(&o.rateLimit, "rate-limit", strconv.Itoa(defaultRateLimit), "answer at most `QPS` queries a second of one IPv4 address or IPv6 /64, or off")
	f.StringVar(&o.conntrack, "conntrack", conntrackWarn, "`MODE` for the kernel's connection tracking: warn (watch it), notrack (keep the node's ports out of it while it runs) or ignore")
	f.StringVar(&o.logLevel, "log-level", "info", "`LEVEL` from which on to log: debug, info, warn or error")
	f.StringVar(&o.logFormat, "log-format", "text", "`FORMAT` of the log on standard error: text or json")

	registerBurn(f)

	// For --help, which can then break the lines between them.
	f.Lookup("state-period").DefValue = "5m"
	f.Lookup("listen").DefValue = strings.Join(defaultListen, " ")
	f.Lookup("bootstrap").DefValue = strings.Join(defaultBootstrap, " ")
}

// config is what a run is made of, checked.
type config struct {
	options
	listen       []netip.AddrPort
	listenChosen bool // by the user, not by default
	stateChosen  bool // likewise
	keeper       *keeper
	bootstrap    []hostPort
	http         netip.AddrPort // the zero AddrPort: none
	rateLimit    int            // zero: none
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
	if err := errors.Join(c.settleListen(), c.settleBootstrap(), c.settleHTTP(), c.settleRateLimit()); err != nil {
		return nil, err
	}
	for _, n := range []struct {
		flag       string
		value, max int
	}{
		{"batch", o.batch, 1024},
		{"workers", o.workers, dht.MaxWorkers},
		{"max-nodes", o.maxNodes, dht.MaxMaxNodes},
		{"max-peers", o.maxPeers, dht.MaxMaxPeers},
		{"max-items", o.maxItems, dht.MaxMaxItems},
	} {
		if n.value < 1 || n.value > n.max {
			return nil, wrong(n.flag, strconv.Itoa(n.value), fmt.Sprintf("must be 1 to %d", n.max))
		}
	}
	if o.statePeriod < minStatePeriod {
		return nil, wrong("state-period", o.statePeriod.String(), "must be "+minStatePeriod.String()+" or more, as in 5m")
	}
	if openers[o.io] == nil {
		return nil, wrong("io", o.io, "must be mmsg or net")
	}
	if o.workers > 1 && o.io != "mmsg" {
		return nil, wrong("workers", strconv.Itoa(o.workers), "needs --io mmsg, on Linux: leave it out, or make it 1")
	}
	if err := c.settlePriority(); err != nil {
		return nil, err
	}
	if o.conntrack != conntrackWarn && o.conntrack != conntrackNotrack && o.conntrack != conntrackIgnore {
		return nil, wrong("conntrack", o.conntrack, "must be warn, notrack or ignore")
	}
	if err := c.level.UnmarshalText([]byte(o.logLevel)); err != nil || strings.ContainsAny(o.logLevel, "+-") {
		return nil, wrong("log-level", o.logLevel, "must be debug, info, warn or error")
	}
	if o.logFormat != "text" && o.logFormat != "json" {
		return nil, wrong("log-format", o.logFormat, "must be text or json")
	}
	return c, nil
}

func (c *config) settleListen() error {
	for _, text := range c.options.listen {
		addr, err := netip.ParseAddrPort(text)
		if err != nil {
			return wrong("listen", text, "must be an IP address and a port, as in 0.0.0.0:6881 or [::]:6881")
		}
		addr = netip.AddrPortFrom(addr.Addr().Unmap(), addr.Port())
		switch ip := addr.Addr(); {
		case ip.IsMulticast():
			return wrong("listen", text, "must be an address that answers can be sent from, not multicast")
		case ip.Is6() && ip.IsLinkLocalUnicast() && ip.Zone() == "":
			return wrong("listen", text, "a link-local address needs its interface, as in [fe80::1%eth0]:6881")
		}
		for _, other := range c.listen {
			if overlap(addr, other) {
				return wrong("listen", text, "overlaps with "+other.String()+": leave one of them out")
			}
		}
		c.listen = append(c.listen, addr)
	}
	return nil
}

// overlap says whether the kernel would let only one socket have both addresses.
func overlap(a, b netip.AddrPort) bool {
	return a.Port() == b.Port() && a.Port() != 0 && a.Addr().Is4() == b.Addr().Is4() &&
		(a.Addr() == b.Addr() || a.Addr().IsUnspecified() || b.Addr().IsUnspecified())
}

func (c *config) settleBootstrap() error {
	for _, text := range c.options.bootstrap {
		if text == none {
			if len(c.options.bootstrap) > 1 {
				return wrong("bootstrap", text, "cannot be combined with other bootstrap nodes")
			}
			return nil
		}
		host, port, err := net.SplitHostPort(text)
		number, errPort := strconv.ParseUint(port, 10, 16)
		if err != nil || errPort != nil || host == "" || number == 0 {
			return wrong("bootstrap", text, "must be a host and a port, as in router.bittorrent.com:6881, or none")
		}
		c.bootstrap = append(c.bootstrap, hostPort{host, uint16(number)})
	}
	return nil
}

func (c *config) settleHTTP() (err error) {
	if text := c.options.http; text != none {
		if c.http, err = netip.ParseAddrPort(text); err != nil {
			return wrong("http", text, "must be an IP address and a port, as in 127.0.0.1:6880, or none")
		}
	}
	return nil
}

func (c *config) settleRateLimit() (err error) {
	if text := c.options.rateLimit; text != off {
		if c.rateLimit, err = strconv.Atoi(text); err != nil || c.rateLimit < 1 || c.rateLimit > dht.MaxRateLimit {
			return wrong("rate-limit", text, fmt.Sprintf("must be 1 to %d queries a second, or off", dht.MaxRateLimit))
		}
	}
	return nil
}

func wrong(flag, value, mend string) error {
	return usageError{errors.New("--" + flag + " " + strconv.Quote(value) + ": " + mend)}
}
