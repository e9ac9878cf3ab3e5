package measure

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"supernode/internal/conntrack"
)

// Snapshot is one reading of all clocks of a Target. What the Target leaves out is 0.
type Snapshot struct {
	At                     time.Duration // monotonic clock
	ServerNS, ServerNAPINS int64         // server's processes, and its side's receive thread
	ClientNS, ClientNAPINS int64         // the same for the generator
	ServerCPU, ClientCPU   CPUTime       // the two processors
	Conntrack              conntrack.Facts

	watched target
}

// target says what was read, so that a clock that stood still is told from one that was never looked at.
type target struct{ serverNAPI, clientNAPI bool }

// Delta is what passed between two snapshots of one Reader.
type Delta struct {
	Elapsed                time.Duration
	ServerNS, ServerNAPINS int64
	ClientNS, ClientNAPINS int64
	ServerCPU, ClientCPU   CPUTime
	Entries                int64              // growth of the number of entries, negative when it shrank
	Counters               conntrack.Counters // nil when connection tracking was not read

	watched target
}

// Sub returns what passed from earlier to s.
func (s Snapshot) Sub(earlier Snapshot) Delta {
	d := Delta{
		Elapsed:      s.At - earlier.At,
		ServerNS:     s.ServerNS - earlier.ServerNS,
		ServerNAPINS: s.ServerNAPINS - earlier.ServerNAPINS,
		ClientNS:     s.ClientNS - earlier.ClientNS,
		ClientNAPINS: s.ClientNAPINS - earlier.ClientNAPINS,
		ServerCPU:    s.ServerCPU.Sub(earlier.ServerCPU),
		ClientCPU:    s.ClientCPU.Sub(earlier.ClientCPU),
		Entries:      int64(s.Conntrack.Count) - int64(earlier.Conntrack.Count),
		watched:      s.watched,
	}
	if s.Conntrack.Counters != nil {
		d.Counters = s.Conntrack.Counters.Sub(earlier.Conntrack.Counters)
	}
	return d
}

// ErrNAPIIdle says that a receive thread did nothing while traffic flowed. The set-up has failed: the work was done
// and charged elsewhere, it was not free.
var ErrNAPIIdle = errors.New("receive thread did no work")

// Check returns an error that wraps ErrNAPIIdle and names the side when a watched receive thread's clock stood still.
// It is meant for an interval in which traffic must have flowed both ways.
func (d Delta) Check() error {
	var idle []string
	if d.watched.serverNAPI && d.ServerNAPINS <= 0 {
		idle = append(idle, "server")
	}
	if d.watched.clientNAPI && d.ClientNAPINS <= 0 {
		idle = append(idle, "client")
	}
	if idle == nil {
		return nil
	}
	return fmt.Errorf("%w on the %s in %v: receive work was charged elsewhere; check that GRO is on there, TSO off at the other end, and that datagrams arrived",
		ErrNAPIIdle, strings.Join(idle, " and "), d.Elapsed)
}

// ServerTotalNS is what the server cost: its threads and its side's receive work.
func (d Delta) ServerTotalNS() int64 { return d.ServerNS + d.ServerNAPINS }
