// Command null-server is the yardstick for DHT servers: it moves datagrams in the same batches, and does nothing with
// them. Every datagram gets the same reply, but for the transaction id, which it copies from where the generator puts it.
// What a server reaches beside it is what is left of the kernel's path when there is a DHT to be served.
//
//	null-server [--batch N] [--nodes N] [--priority auto|normal] ADDR:PORT
//
// With --batch 1 there is a system call for each datagram, which shows what batching buys.
package main

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/signal"
	"runtime"
	"syscall"

	"supernode/internal/pin"
	"supernode/internal/udp"
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
	nodes := flags.Int("nodes", 8, "as many bytes in a reply as so many nodes take, 0 to 8")
	priority := flags.String("priority", "auto", "`CLASS` of the thread that answers: normal, or auto, which is SCHED_RR where we may")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if flags.NArg() != 1 || *batch < 1 || *batch > 1024 || *nodes < 0 || *nodes > 8 {
		return errors.New("want null-server [--batch 1..1024] [--nodes 0..8] [--priority auto|normal] ADDR:PORT")
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
	transport, err := udp.OpenMmsg([]netip.AddrPort{addr}, udp.Options{Batch: *batch, ReceiveBuffer: 2 << 20, SendBuffer: 2 << 20})
	if err != nil {
		return err
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	ended := make(chan struct{})
	go func() {
		<-stop
		close(ended)
		transport.Wake()
	}()
	return errors.Join(serve(transport, *batch, newReply(*nodes), ended), transport.Close())
}

func serve(transport udp.Transport, batch int, r reply, ended <-chan struct{}) error {
	in, out := udp.NewInbox(batch), udp.NewOutbox(batch)
	for {
		n, err := transport.Receive(in, -1)
		if err != nil {
			return err
		}
		for i := range n {
			if answer := r.appendTo(out.Buffer(), in.Payload(i)); len(answer) > 0 {
				out.Add(answer, in.Source(i), in.Local(i))
			}
		}
		transport.Send(out, in.Socket())
		select {
		case <-ended:
			return nil
		default:
		}
	}
}

// reply is a response to any query of the generator, whose transaction id of four bytes stands at t.
type reply struct {
	encoded []byte
	t       int
}

// behindID is what stands behind the transaction id at the end of the generator's queries.
const behindID = "1:y1:qe"

func newReply(nodes int) reply {
	const mark = "\xf1\xf2\xf3\xf4"
	id := bytes.Repeat([]byte{'n'}, 20)
	b := fmt.Appendf(nil, "d1:rd2:id20:%s5:nodes%d:%s5:token8:nulltokee1:t4:%s1:y1:re", id, 26*nodes, bytes.Repeat([]byte{'n'}, 26*nodes), mark)
	return reply{encoded: b, t: bytes.Index(b, []byte(mark))}
}

// appendTo writes the reply to query behind dst; nothing, if query is too short to be one.
func (r reply) appendTo(dst, query []byte) []byte {
	at := len(query) - len(behindID) - 4
	if at < 0 {
		return dst
	}
	start := len(dst)
	dst = append(dst, r.encoded...)
	copy(dst[start+r.t:], query[at:at+4])
	return dst
}
