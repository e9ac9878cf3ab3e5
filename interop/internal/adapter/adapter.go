// Package adapter is what the programs that wrap a client have in common: their flags, and the events they write. Package
// interop says what both mean.
package adapter

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/netip"
	"os"
	"sync"
)

// Options are the flags of a peer, of which a user has Nodes and Listen.
type Options struct {
	Nodes        []netip.AddrPort // the DHT nodes to start from, at least one
	Listen       netip.AddrPort
	Dir          string
	Seed, Magnet string // one of them
	ReadOnly     bool
}

// Parse reads the flags of the named program, a peer.
func Parse(program string, args []string) (o Options, err error) {
	f := o.flags(program)
	f.StringVar(&o.Dir, "dir", ".", "where the content is or comes to be")
	f.StringVar(&o.Seed, "seed", "", "name of a file in the directory to seed")
	f.StringVar(&o.Magnet, "magnet", "", "magnet link to download")
	f.BoolVar(&o.ReadOnly, "read-only", false, "do not answer DHT queries (BEP 43)")
	if err := f.Parse(args); err != nil {
		return o, err
	}
	if (o.Seed == "") == (o.Magnet == "") {
		return o, errors.New("give either --seed or --magnet")
	}
	return o, o.check()
}

// ParseUser reads the flags of the named program, a user.
func ParseUser(program string, args []string) (o Options, err error) {
	if err := o.flags(program).Parse(args); err != nil {
		return o, err
	}
	return o, o.check()
}

func (o *Options) flags(program string) *flag.FlagSet {
	f := flag.NewFlagSet(program, flag.ContinueOnError)
	f.Func("node", "`ADDR:PORT` of a DHT node to start from; may be repeated", func(s string) error {
		addr, err := netip.ParseAddrPort(s)
		o.Nodes = append(o.Nodes, addr)
		return err
	})
	f.TextVar(&o.Listen, "listen", netip.AddrPort{}, "address for peers and the DHT")
	return f
}

func (o *Options) check() error {
	if len(o.Nodes) == 0 || !o.Listen.IsValid() {
		return errors.New("give --node and --listen")
	}
	return nil
}

// The kinds of events.
const (
	Seeding   = "seeding"
	Connected = "connected"
	Completed = "completed"
)

// The sources of a connection.
const (
	FromDHT  = "dht"
	Incoming = "incoming"
	Other    = "other"
)

// Event is a line of a peer's standard output.
type Event struct {
	Event    string         `json:"event"`
	InfoHash string         `json:"info_hash,omitzero"` // of Seeding: 40 hexadecimal digits
	Addr     netip.AddrPort `json:"addr,omitzero"`      // of Connected
	Source   string         `json:"source,omitzero"`    // of Connected: how the client came by the address
}

// Events writes one line an event. Its methods may be called from any goroutine.
type Events struct {
	mu      sync.Mutex
	encoder *json.Encoder
}

// NewEvents writes to w.
func NewEvents(w io.Writer) *Events { return &Events{encoder: json.NewEncoder(w)} }

// Say writes e. What cannot be written is told on standard error: nobody listens any more.
func (s *Events) Say(e Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.encoder.Encode(e); err != nil {
		fmt.Fprintln(os.Stderr, "write event:", err)
	}
}
