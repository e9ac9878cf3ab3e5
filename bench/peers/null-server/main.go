// Command null-server is the yardstick for DHT servers: it moves datagrams in the same batches, and does nothing with
// them. Every query of a method gets the same reply, as long as a DHT node's would be that knows one peer, but for the
// transaction id, which it copies from where the generator puts it. What a server reaches beside it is what is left of the kernel's path when
// there is a DHT to be served.
//
//	null-server [--batch N] [--nodes N] [--payload dht|dns|none] [--packet-to ADDR [--xdp]] [--priority auto|normal] ADDR:PORT
//
// With --batch 1 there is a system call for each datagram, which shows what batching buys. With --payload dns it sends DNS
// queries back as responses without an answer, and with --payload none it answers nothing: what a generator can do at most
// is measured against these. With --packet-to the answers leave by a packet socket, towards the one neighbour who asks, or
// is the way to all who ask: for half of the CPU time, so that the server is less of a limit. With --xdp DNS queries over IPv4 are
// answered by the kernel, in a program at the link's driver that is towards that neighbour, where that can be had: so the server
// is hardly a limit, and what it sends costs the receiver about what a network card's frames do.
//
// With --burn, which is for measurements that are themselves put to the test, it wastes a known amount of work for each
// answer (package burn), from SIGUSR1 on and until SIGUSR2: one process is both sides of a comparison.
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"sync/atomic"
	"syscall"

	"supernode/dht/wire"
	"supernode/internal/burn"
	"supernode/internal/nexthop"
	"supernode/internal/pin"
	"supernode/internal/udp"
	"supernode/internal/xdp"
)

func main() {
	if err := run(os.Args[1:], os.Stderr); err != nil {
		fmt.Fprintln(os.Stderr, "null-server:", err)
		os.Exit(1)
	}
}

func run(args []string, stderr io.Writer) error {
	flags := flag.NewFlagSet("null-server", flag.ContinueOnError)
	flags.SetOutput(stderr)
	batch := flags.Int("batch", 64, "move up to `N` datagrams by one system call, 1 to 1024")
	nodes := flags.Int("nodes", 8, "`N` nodes in a reply to find_node or get_peers, 0 to 8")
	payload := flags.String("payload", "dht", "what to answer: `PAYLOAD` dht, dns or none")
	to := flags.String("packet-to", "", "answer through a packet socket, towards `ADDR`; needs CAP_NET_RAW")
	reflect := flags.Bool("xdp", false, "with --packet-to and --payload dns, answer in the link's driver where that can be had; needs root")
	priority := flags.String("priority", "auto", "`CLASS` of the thread that answers: normal, or auto, which is SCHED_RR where we may")
	var waste waste
	flags.Var(&waste.each, "burn", "waste so much processor `TIME` for each answer, or turns of a loop as in 800x, between SIGUSR1 and SIGUSR2")
	if err := flags.Parse(args); err != nil {
		return err
	}
	answer := answers(*payload, *nodes)
	if flags.NArg() != 1 || *reflect && (*to == "" || *payload != "dns" || waste.each != (burn.Burner{})) || *batch < 1 || *batch > 1024 || *nodes < 0 || *nodes > 8 || answer == nil {
		return errors.New("want null-server [--batch 1..1024] [--nodes 0..8] [--payload dht|dns|none] [--packet-to ADDR [--xdp]] [--priority auto|normal] ADDR:PORT")
	}
	addr, err := netip.ParseAddrPort(flags.Arg(0))
	if err != nil {
		return fmt.Errorf("listen: %w", err)
	}
	// The same as the worker of supernode has, in all that is not DHT.
	runtime.GOMAXPROCS(max(2, runtime.GOMAXPROCS(0)))
	runtime.LockOSThread()
	if *priority != "normal" {
		_, _ = pin.Realtime() // where we may
	}
	transport, link, err := open(addr, *to, udp.Options{Batch: *batch, ReceiveBuffer: 2 << 20, SendBuffer: 2 << 20})
	if err != nil {
		return err
	}
	if *reflect {
		if program, err := xdp.ReflectDNS(link.Interface, link.Local, transport.Local()[0]); err != nil {
			fmt.Fprintln(stderr, "null-server: answers by a socket:", err)
		} else {
			defer program.Close() // it keeps nothing
		}
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	ended := make(chan struct{})
	go func() {
		<-stop
		close(ended)
		transport.Wake()
	}()
	waste.follow(ended)
	return errors.Join(serve(transport, *batch, answer, &waste, ended), transport.Close())
}

// open opens the socket on addr. With a neighbour given, answers go to it past the kernel's UDP and IP, out of the link.
func open(addr netip.AddrPort, neighbour string, o udp.Options) (t udp.Transport, link udp.Hop, err error) {
	listen := []netip.AddrPort{addr}
	if neighbour == "" {
		t, err = udp.OpenMmsg(listen, o)
		return t, link, err
	}
	ip, err := netip.ParseAddr(neighbour)
	if err != nil {
		return nil, link, fmt.Errorf("--packet-to: %w", err)
	}
	const discard = 9 // the port that takes what is only there to have the neighbour found (RFC 863)
	hop, err := nexthop.Find(context.Background(), netip.AddrPortFrom(ip, discard))
	if err != nil {
		return nil, link, fmt.Errorf("--packet-to: %w", err)
	}
	link = udp.Hop(hop)
	t, err = udp.OpenPacket(listen, link, o)
	return t, link, err
}

// waste is what each answer costs besides, while it is on.
type waste struct {
	each burn.Burner
	on   atomic.Bool
}

// follow has signals switch the waste on and off until ended. Signals that come fast may be one: the last counts.
func (w *waste) follow(ended <-chan struct{}) {
	signals := make(chan os.Signal, 16)
	signal.Notify(signals, syscall.SIGUSR1, syscall.SIGUSR2)
	go func() {
		defer signal.Stop(signals)
		for {
			select {
			case s := <-signals:
				w.on.Store(s == syscall.SIGUSR1)
			case <-ended:
				return
			}
		}
	}()
}

// of wastes what n answers cost besides.
func (w *waste) of(n int) {
	if w.on.Load() {
		w.each.Burn(n)
	}
}

func serve(transport udp.Transport, batch int, appendTo answerer, w *waste, ended <-chan struct{}) error {
	in, out := udp.NewInbox(batch), udp.NewOutbox(batch)
	for {
		n, err := transport.Receive(in, -1)
		if err != nil {
			return err
		}
		for i := range n {
			if answer := appendTo(out.Buffer(), in.Payload(i)); len(answer) > 0 {
				out.Add(answer, in.Source(i), in.Local(i))
			}
		}
		w.of(out.Len())
		transport.Send(out, in.Socket())
		select {
		case <-ended:
			return nil
		default:
		}
	}
}

// answerer writes the reply to query behind dst, and nothing if there is none.
type answerer func(dst, query []byte) []byte

// answers is how the payload of that name is answered; nil if there is none of that name.
func answers(payload string, nodes int) answerer {
	switch payload {
	case "dht":
		return newReplies(nodes).appendTo
	case "dns":
		return appendDNS
	case "none":
		return func(dst, _ []byte) []byte { return dst }
	}
	return nil
}

// appendDNS sends a DNS query back as the response to it (RFC 1035, 4.1.1): no error, and no answers.
func appendDNS(dst, query []byte) []byte {
	const header, flags, isResponse = 12, 2, 0x80
	if len(query) < header || query[flags]&isResponse != 0 {
		return dst
	}
	at := len(dst) + flags
	dst = append(dst, query...)
	dst[at] |= isResponse
	return dst
}

// replies are the responses to the generator's queries, found by the last letter of the method, which stands at a fixed
// distance from the end of a query: pinG, find_nodE, get_peerS, announce_peeR. Their transaction id of four bytes stands
// at t.
type replies struct {
	encoded [256][]byte
	t       int // from the end
}

// What stands behind the transaction id at the end of the generator's queries, and between the method and it.
const (
	behindT = "1:y1:qe"
	beforeT = "1:t4:"
)

// newReplies makes replies as long as those that a node gives which knows its neighbourhood, and one peer.
func newReplies(nodes int) *replies {
	id := bytes.Repeat([]byte{'n'}, 20)
	near := bytes.Repeat([]byte{'n'}, nodes*wire.CompactNode4)
	r := &replies{}
	for letter, m := range map[byte]wire.Message{
		'g': {},
		'e': {Nodes: near},
		's': {Nodes: near, Token: []byte("nulltoke"), Values: wire.AppendPeer(nil, netip.MustParseAddrPort("192.0.2.1:6881"))},
		'r': {},
	} {
		const mark = "\xf1\xf2\xf3\xf4"
		m.Kind, m.ID, m.T, m.Version, m.IP = wire.Response, id, []byte(mark), []byte("NU\x00\x00"), []byte("\xc0\x00\x02\x01\x1a\xe1")
		b := m.Append(nil)
		r.encoded[letter], r.t = b, len(b)-bytes.LastIndex(b, []byte(mark))
	}
	return r
}

// appendTo writes the reply to query behind dst; nothing, if query is none of the generator's.
func (r *replies) appendTo(dst, query []byte) []byte {
	at := len(query) - len(behindT) - 4
	if at <= len(beforeT) {
		return dst
	}
	reply := r.encoded[query[at-len(beforeT)-1]]
	if reply == nil {
		return dst
	}
	dst = append(dst, reply...)
	copy(dst[len(dst)-r.t:], query[at:at+4])
	return dst
}
