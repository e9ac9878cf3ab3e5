// Package record keeps what a run of the harness measured, raw: one file, one JSON object a line. The
// first line is the [Header], every further line one [Trial]. Whatever a report says can be computed
// from this file again, on any machine, without root.
//
// A line is written with one write and synced to disk before the next trial starts, so a run that is
// killed loses at most the trial it was in. The reader forgives exactly that: an unfinished last line.
// Everything else that is not as it should be is an error naming the line.
//
// Units: times are nanoseconds in fields ending in _ns, except inside the generator's result, which is
// kept as the generator printed it (seconds in _s, microseconds in _us).
package record

import (
	"encoding/json"
	"time"

	"supernode/bench/plan"
)

// Version of the file format. It changes when a reader of the old version would misread the new one;
// a field that is merely added does not change it.
const Version = 1

// FileName is what the harness calls the file inside a run's directory.
const FileName = "trials.jsonl"

// Header says what was to be measured, where and with what.
type Header struct {
	Started  time.Time         `json:"started"`
	Command  []string          `json:"command"`            // the harness as it was called, for repeating the run
	Versions map[string]string `json:"versions"`           // what each program says of itself: bench, supernode, loadgen
	Payload  string            `json:"payload,omitempty"`  // what the server is asked, as the generator names it; empty: dht
	ReplyAt  *int              `json:"reply_at,omitempty"` // as given with the payload
	Plan     plan.Spec         `json:"plan"`
	Machine  Machine           `json:"machine"`          // the server's
	Client   *Machine          `json:"client,omitempty"` // the generator's, where that is another one
	Notes    []string          `json:"notes,omitempty"`  // what the set-up could not do, in words

	Unprivileged bool `json:"unprivileged,omitempty"` // measured in a user namespace: Notes says what that left out
}

// Machine holds the facts that decide how far the figures carry. Strings are empty and numbers 0 where
// the machine does not tell.
type Machine struct {
	OS         string `json:"os"`         // for example "Debian GNU/Linux 13 (trixie)"
	Kernel     string `json:"kernel"`     // release, as uname -r prints it
	Arch       string `json:"arch"`       // as Go names it
	CPU        string `json:"cpu"`        // model name
	CPUs       int    `json:"cpus"`       // online
	Hypervisor string `json:"hypervisor"` // empty on bare metal or when unknown
	Memory     uint64 `json:"memory_bytes"`

	ConntrackLimit   uint64 `json:"conntrack_limit"`       // nf_conntrack_max
	ConntrackBuckets uint64 `json:"conntrack_buckets"`     // nf_conntrack_buckets
	ConntrackEntry   uint64 `json:"conntrack_entry_bytes"` // slab object size

	ServerCPU  int  `json:"server_cpu"` // runs the server's thread and its interface's receive work
	ClientCPU  int  `json:"client_cpu"` // runs the generator, its interface's receive work and the harness
	NAPIPinned bool `json:"napi_pinned"`
}

// Trial is one cell measured once. All differences are taken over the measured interval, warm-up and
// the wait for late answers excluded.
type Trial struct {
	plan.Slot
	Start    time.Time `json:"start"`       // wall clock at the beginning of the measured interval
	Duration int64     `json:"duration_ns"` // its length, by the monotonic clock

	// CPU time, from each thread's schedstat.
	Server     int64 `json:"server_ns"`      // the server's threads
	ServerNAPI int64 `json:"server_napi_ns"` // receive work of the server's interface; 0 is a failed set-up
	// ReceiveByTicks says that the receive work has no thread of its own, and was sampled at ticks: 0 is little, and no failure.
	ReceiveByTicks bool `json:"receive_by_ticks,omitempty"`

	Client     int64 `json:"client_ns"`
	ClientNAPI int64 `json:"client_napi_ns"`

	Answered uint64 `json:"answered"` // replies that reached the generator within the interval
	Load     Load   `json:"load"`     // the generator's result

	Tracking  bool      `json:"tracking"` // proof by canary: a datagram through a port no rule exempts left an entry
	Conntrack Conntrack `json:"conntrack"`

	// Of measure "search" only. All above are then sums over its steps, but Load and the number of entries, which are the
	// last one's.
	Search *Search `json:"search,omitempty"`

	Counters *Counters `json:"counters,omitempty"` // absent where the machine has none
	Throttle Throttle  `json:"throttle,omitzero"`  // what slowed the processors down, warm-up included

	ReceiveErrors uint64   `json:"receive_buffer_errors"` // datagrams the server's full socket buffer lost, warm-up included
	CPU           []CPU    `json:"cpu"`                   // the CPUs the lab uses, and only those
	Warnings      []string `json:"warnings,omitempty"`
}

// Counters are hardware events within the interval: of the server's threads, and of the receive thread of its interface.
type Counters struct {
	Server     Events `json:"server"`
	ServerNAPI Events `json:"server_napi"`
}

// Events are counted by the processor (perf_event_open(2)). One that it does not count is 0.
type Events struct {
	Cycles       uint64 `json:"cycles"`
	Instructions uint64 `json:"instructions"`
	CacheMisses  uint64 `json:"cache_misses"`
}

// Throttle is what made the lab's processors slower than they are. What the machine does not tell is 0; the header's notes
// say so.
type Throttle struct {
	Periods uint64 `json:"cgroup_periods"` // in which a CPU quota stopped our control group, or one that it is in
	Thermal uint64 `json:"thermal_events"` // the processors' own slow-downs from heat
	// Clock frequency of the server's core at the beginning and at the end of the interval.
	KHzBefore uint64 `json:"khz_before"`
	KHzAfter  uint64 `json:"khz_after"`
}

// Conntrack is the state of the server's namespace: Entries at the end of the trial, the others as
// differences over the interval.
type Conntrack struct {
	Entries      uint64 `json:"entries"`
	Drop         uint64 `json:"drop"`
	EarlyDrop    uint64 `json:"early_drop"`
	InsertFailed uint64 `json:"insert_failed"`

	Others  uint64  `json:"others,omitempty"`   // of Entries, those that the harness filled the table with before the trial
	OwnDrop *uint64 `json:"own_drop,omitempty"` // of Drop, packets that the server itself wanted to send; nil if unknown
}

// Ids of all processors of a host together.
const (
	AllOfServer = -1
	AllOfClient = -2
)

// CPU is how one CPU spent the interval, from /proc/stat; the kernel counts in ticks, 10 ms as a rule.
type CPU struct {
	// A run over two hosts has no cores of its own, but AllOfServer and AllOfClient.
	ID      int   `json:"id"`
	User    int64 `json:"user_ns"` // nice included
	System  int64 `json:"system_ns"`
	SoftIRQ int64 `json:"softirq_ns"`
	IRQ     int64 `json:"irq_ns"`
	Idle    int64 `json:"idle_ns"` // iowait included
	Steal   int64 `json:"steal_ns"`
}

// Busy is the time spent on anything at all, the host's other guests excepted.
func (c CPU) Busy() int64 { return c.User + c.System + c.SoftIRQ + c.IRQ }

// Total is all time accounted for.
func (c CPU) Total() int64 { return c.Busy() + c.Idle + c.Steal }

// Load is the result object of the generator: the fields that reports use, and under Raw all of it. A
// Load that was decoded encodes as Raw, so that nothing the generator said is lost on the way.
type Load struct {
	Target           string          `json:"target"`
	DurationS        float64         `json:"duration_s"`
	OfferedQPS       float64         `json:"offered_qps"`
	SendQPS          float64         `json:"send_qps"`
	AnswerQPS        float64         `json:"answer_qps"`
	Sent             uint64          `json:"sent"`
	Answered         uint64          `json:"answered"` // of those sent within the interval, whenever the reply came
	Lost             uint64          `json:"lost"`
	Late             uint64          `json:"late"`
	Duplicate        uint64          `json:"duplicate"`
	Malformed        uint64          `json:"malformed"`
	LossRatio        float64         `json:"loss_ratio"`
	Latency          Latency         `json:"latency_us"`
	Flows            int             `json:"flows"`
	Slip             Slip            `json:"schedule_slip_us"`
	GeneratorLimited bool            `json:"generator_limited"` // it, not the server, set the pace
	Raw              json.RawMessage `json:"-"`
}

// Latency is in microseconds from the moment a query was due to be sent.
type Latency struct {
	P50   float64 `json:"p50"`
	P90   float64 `json:"p90"`
	P99   float64 `json:"p99"`
	P999  float64 `json:"p99_9"`
	P9999 float64 `json:"p99_99"`
	Max   float64 `json:"max"`
	Mean  float64 `json:"mean"`
}

// Slip is how far the generator ran behind its own schedule, in microseconds.
type Slip struct {
	P99 float64 `json:"p99"`
	Max float64 `json:"max"`
}

// UnmarshalJSON keeps a copy of line in Raw.
func (l *Load) UnmarshalJSON(line []byte) error {
	type fields Load // drops this method, which would call itself
	if err := json.Unmarshal(line, (*fields)(l)); err != nil {
		return err
	}
	l.Raw = append(json.RawMessage(nil), line...)
	return nil
}

// MarshalJSON gives Raw where there is one.
func (l Load) MarshalJSON() ([]byte, error) {
	if l.Raw != nil {
		return l.Raw, nil
	}
	type fields Load
	return json.Marshal(fields(l))
}
