package remote

import (
	"time"

	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/internal/conntrack"
)

// Request is what the harness asks of the agent.
type Request struct {
	Do  Verb     `json:"do"`
	Arm plan.Arm `json:"arm,omitempty"` // of SetArm
}

// Verb names what is asked.
type Verb string

const (
	AskFacts Verb = "facts" // what host it is
	SetArm   Verb = "arm"   // put an arm's rules in place, and prove what they do
	ReadAll  Verb = "read"  // read the clocks and counters
	Count    Verb = "count" // count the port's entries
	Beat     Verb = "beat"  // the harness is still there
	End      Verb = "end"   // undo everything; the last request
)

// Reply answers one request.
type Reply struct {
	Error   string   `json:"error,omitempty"` // why not; nothing else is set then
	Facts   *Facts   `json:"facts,omitempty"`
	Proof   *Proof   `json:"proof,omitempty"`
	Reading *Reading `json:"reading,omitempty"`
	Entries uint64   `json:"entries,omitempty"`
}

// Facts describe the agent's host before anything is changed.
type Facts struct {
	Machine record.Machine `json:"machine"`
	Server  string         `json:"server"` // the process that is measured
	Port    uint16         `json:"port"`
	Tracks  bool           `json:"tracks"` // connection tracking is active by rules of others: arm off exempts the port instead
	Why     string         `json:"why"`    // how that is known
}

// Proof is what a probe of the port showed after the arm's rules were in place.
type Proof struct {
	Active   bool   `json:"active"` // connection tracking works in the host's namespace
	Exempt   bool   `json:"exempt"` // although Active, the port's datagrams leave no entry
	Evidence string `json:"evidence"`
}

// Reading is one look at the clocks of the agent's host. Its zero point means nothing; differences do.
type Reading struct {
	At        time.Duration      `json:"at_ns"`     // monotonic
	Server    int64              `json:"server_ns"` // on a processor: all threads of the server
	CPU       record.CPU         `json:"cpu"`       // of all processors together, sampled by the kernel in ticks of 10 ms
	Counters  conntrack.Counters `json:"counters"`
	PortDrops uint64             `json:"port_drops"` // datagrams that full receive buffers of the port lost
}
