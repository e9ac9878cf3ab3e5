package conntrack

import (
	"cmp"
	"slices"
)

// Verdict says in one word whether connection tracking hurts a port.
type Verdict string

// The verdicts, from best to worst. Inactive, Exempt and Tracked need nothing done; NearLimit is a risk; Dropping hurts
// now.
const (
	Inactive  Verdict = "inactive"   // no packet of this namespace is tracked
	Exempt    Verdict = "exempt"     // others are tracked, the port's datagrams are not
	Tracked   Verdict = "tracked"    // the port's flows have entries, and the table has room
	NearLimit Verdict = "near_limit" // the table is nearly full, soon full, or already evicts
	Dropping  Verdict = "dropping"   // packets were lost to connection tracking while we looked
	Unknown   Verdict = "unknown"    // it could not be told
)

// ExitStatus is what `supernode doctor` ends with: 0 not hurting, 1 at risk, 2 hurting now, 3 could not tell.
func (v Verdict) ExitStatus() int {
	switch v {
	case Inactive, Exempt, Tracked:
		return 0
	case NearLimit:
		return 1
	case Dropping:
		return 2
	}
	return 3
}

// Worse compares verdicts by how much they ask to be looked at: 1 if a does so more than b.
func Worse(a, b Verdict) int {
	order := []Verdict{Inactive, Exempt, Tracked, Unknown, NearLimit, Dropping}
	return cmp.Compare(slices.Index(order, a), slices.Index(order, b))
}

// Answers to "is tracking active?", in Activity.Active.
const (
	Yes       = "yes"
	No        = "no"
	CannotSay = "unknown"
)

// Activity is what was found out about whether packets are tracked.
type Activity struct {
	Active   string `json:"active"`          // Yes, No or CannotSay: of this namespace
	Exempt   bool   `json:"exempt"`          // although Active, a flow through the port leaves no entry
	Evidence string `json:"evidence"`        // how that is known, one sentence
	Rule     string `json:"rule,omitempty"`  // the rule that asks for tracking: "inet filter input handle 4: ct state"
	Rules    []Rule `json:"rules,omitempty"` // all such rules that were found, Rule the first

	unseen  []string // families ("ip", "ip6") whose way in could not be tried, while the way out is free
	doubted bool     // the probe left no entry, but that may be so over lo only
	open    []string // what a proof left open, for Unchecked
}

// Diagnosis is the result of Judge, and as JSON the contract of `supernode doctor --json`. Numbers that could not be
// read are 0 and named in Unchecked.
type Diagnosis struct {
	Verdict  Verdict  `json:"verdict"`
	Port     uint16   `json:"port"`
	Netns    string   `json:"netns,omitempty"` // which namespace, when there are several
	Evidence []string `json:"evidence"`        // sentences for people, the weightiest first

	Tracking struct {
		Present bool `json:"present"`  // the kernel has connection tracking
		BuiltIn bool `json:"built_in"` // and not as a module
		Activity
	} `json:"tracking"`
	Table struct {
		Count        uint64  `json:"count"`
		Limit        uint64  `json:"limit"`
		Buckets      uint64  `json:"buckets"`
		Fill         float64 `json:"fill"`        // Count / Limit
		EntryBytes   uint64  `json:"entry_bytes"` // the kernel's object without NAT's and others' extensions; or an estimate, as Unchecked says
		BytesNow     uint64  `json:"bytes_now"`   // entries and hash buckets
		BytesAtLimit uint64  `json:"bytes_at_limit"`
	} `json:"table"`
	Counters Counts `json:"counters"` // since the namespace began
	Window   Window `json:"window"`   // while we looked
	UDP      struct {
		Unreplied float64 `json:"unreplied"`
		Stream    float64 `json:"stream"`
	} `json:"udp_timeout_s"`
	Capacity Capacity `json:"capacity"`
	Socket   struct {
		Bound               bool   `json:"bound"`                 // some socket has the port
		ReceiveBufferErrors uint64 `json:"receive_buffer_errors"` // of the namespace, since it began
		SendBufferErrors    uint64 `json:"send_buffer_errors"`
		PortDrops           uint64 `json:"port_drops"` // of the port's sockets, since they were opened
	} `json:"socket"`
	Log struct {
		Readable       bool `json:"readable"`
		TableFullLines int  `json:"table_full_lines"` // of the whole machine, as far back as the kernel keeps
	} `json:"log"`
	Modules   []Module          `json:"modules"` // of connection tracking; none when built in
	Sources   map[string]string `json:"sources"` // where each fact was read
	Unchecked []string          `json:"unchecked"`
	Fixes     []Fix             `json:"fixes"`
}

// Counts are packets lost, each counted once (Drop, InsertFailed, ChainTooLong), and entries evicted (EarlyDrop). Drop is
// without the clashes and InsertFailed without the long chains that the kernel adds to them.
type Counts struct {
	Drop         uint64 `json:"drop"`
	EarlyDrop    uint64 `json:"early_drop"`
	InsertFailed uint64 `json:"insert_failed"`
	ChainTooLong uint64 `json:"chaintoolong"`
}

// Window is what changed while we looked.
type Window struct {
	Seconds float64 `json:"seconds"`
	Entries int64   `json:"entries"` // more of them, or fewer
	Counts
	ReceiveBufferErrors uint64 `json:"receive_buffer_errors"`
	SendBufferErrors    uint64 `json:"send_buffer_errors"`
	PortDrops           uint64 `json:"port_drops"`
	SendsRefused        uint64 `json:"sends_refused"` // packets that netfilter or routing refused on the way out (EPERM)
}

// Capacity compares what arrives with what the table can take.
type Capacity struct {
	NewFlows     float64  `json:"new_flows_per_s"`
	NewFlowsLow  float64  `json:"new_flows_per_s_low"` // the true rate lies between, with 95 % confidence if it was counted
	NewFlowsHigh float64  `json:"new_flows_per_s_high"`
	Sustainable  float64  `json:"sustainable_new_flows_per_s"` // limit / timeout of an unreplied flow
	ToFull       *float64 `json:"seconds_to_full"`             // nil: not at this rate
	ToFullLow    *float64 `json:"seconds_to_full_low"`
	ToFullHigh   *float64 `json:"seconds_to_full_high"` // nil with ToFull set: perhaps never
}

// Module is a kernel module of connection tracking, with what keeps it loaded.
type Module struct {
	Name    string   `json:"name"`
	Holders []string `json:"holders"` // modules that use it
}

// Fix is one cure: what it does, what it costs, and the commands.
type Fix struct {
	ID       string   `json:"id"`
	Summary  string   `json:"summary"`
	Price    string   `json:"price"`
	Commands []string `json:"commands"`
	Undo     []string `json:"undo"`
}
