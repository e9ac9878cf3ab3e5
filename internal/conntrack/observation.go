package conntrack

import "time"

// Observation is all that Judge judges by: facts at two moments and what was found between them. Whoever cannot look
// for something leaves it zero and says so in Unchecked.
type Observation struct {
	Port        uint16
	Window      time.Duration // from First to Last
	First, Last Facts
	Activity    Activity
	NewFlows    Sample // counted, not derived; zero when nobody counted
	Host        Host
	Sockets     [2]Sockets // at First and Last
	Unchecked   []string   // besides those of Facts, Host and Sockets
}

// Sample is a count of events over a time.
type Sample struct {
	Count uint64
	Over  time.Duration
}

// Host is what is the same in all namespaces of a machine and does not change while we look.
type Host struct {
	EntryBytes  uint64   // slab object size of one entry, 0 if unknown
	Modules     []Module // empty when connection tracking is built in or absent
	LogReadable bool
	TableFull   int // lines of the kernel log
	Sources     map[string]string
	Unchecked   []string
}

// Sockets are the counters of sockets that are lost packets which connection tracking has not to answer for. All are
// of the namespace since it began, but PortDrops.
type Sockets struct {
	Bound               bool   // a UDP socket has the port
	PortDrops           uint64 // datagrams dropped at the port's sockets since they were opened
	ReceiveBufferErrors uint64 // UDP and UDP over IPv6
	SendBufferErrors    uint64
	OutDiscards         uint64 // IP and IPv6: among others, every packet that netfilter refuses on its way out
	Unchecked           []string
}

// Names of facts of a Host, as in its Sources and Unchecked.
const (
	FactEntryBytes = "entry_bytes"
	FactModules    = "modules"
	FactLog        = "log"
)
