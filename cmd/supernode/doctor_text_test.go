package main

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/internal/conntrack"
)

// hurting is a diagnosis with everything in it that can be printed.
func hurting() conntrack.Diagnosis {
	facts := conntrack.Facts{
		Present: true, Count: 262144, Limit: 262144, Buckets: 262144, UDPTimeout: 30 * time.Second, UDPStreamTimeout: 2 * time.Minute,
		Counters: conntrack.Counters{conntrack.Drop: 100, conntrack.EarlyDrop: 3}, Sources: map[string]string{},
	}
	later := facts
	later.Counters = conntrack.Counters{conntrack.Drop: 2100, conntrack.EarlyDrop: 4}
	d := conntrack.Judge(conntrack.Observation{
		Port: 6881, Window: 2 * time.Second, First: facts, Last: later,
		Activity: conntrack.Activity{Active: conntrack.Yes, Evidence: "datagrams of port 6881 are tracked (left an entry: IPv4 in)", Rule: "inet filter input handle 4: ct state"},
		Host: conntrack.Host{
			EntryBytes: 256, LogReadable: true, TableFull: 7,
			Modules: []conntrack.Module{{Name: "nf_conntrack", Holders: []string{"nft_ct", "nf_nat"}}, {Name: "nf_conntrack_netlink"}},
		},
		Sockets:   [2]conntrack.Sockets{{Bound: true}, {Bound: true, OutDiscards: 900}},
		Unchecked: []string{"new_flows_per_s: bounds only"},
	})
	d.Netns = "blue"
	d.Fixes = []conntrack.Fix{{ID: "notrack", Summary: "exempt the port", Price: "no state", Commands: []string{"nft add"}, Undo: []string{"nft delete"}}}
	return d
}

func TestDoctorPrints(t *testing.T) {
	var b strings.Builder
	require.NoError(t, printDiagnosis(&b, hurting()))
	require.Equal(t, `port 6881 in blue: HURTING NOW: connection tracking drops packets (dropping)
  2000 packets dropped because the table was full in 2.0 s
  the table holds 262144 of 262144 entries (100 %)
  datagrams of port 6881 are tracked (left an entry: IPv4 in)
  tracking is asked for by inet filter input handle 4: ct state
  5369 (1000 to 9739) new flows/s; the table can hold 8738/s that get no second reply
  2100 packets were dropped for a full table since this namespace began
  the kernel's log complains of a full table 7 times, in any namespace (it leaves most complaints out)
  900 packets were refused on their way out; to the sender that is EPERM
  memory of the table: 66 MiB now, 66 MiB at its limit
  module nf_conntrack, held by nft_ct, nf_nat
  module nf_conntrack_netlink, held by nothing

not checked:
  new_flows_per_s: bounds only

fixes:
  notrack: exempt the port
    price: no state
    # nft add
    undo:
    # nft delete
`, b.String())
}

func TestDoctorView(t *testing.T) {
	at := time.Date(2014, 2, 9, 12, 23, 0, 0, time.UTC)
	require.Equal(t, "12:23:00 port 6881 dropping: 262144 of 262144 entries (100.0 %), +0 in 2.0 s, 5369 new flows/s, 2000 dropped, 1 evicted, full",
		watchLine(at, hurting()))
	require.Contains(t, view(at, hurting()), `12:23:00  port 6881: HURTING NOW: connection tracking drops packets

  table     [##################################################] 262144 of 262144 entries, 100.0 %
  change    +0 entries in 2.0 s
  arriving  5369 new flows/s (1000 to 9739), sustainable 8738/s
  lost      2000 dropped at a full table, 0 in long chains, 0 in clashes; 1 entries evicted
  sockets   0 lost to full receive buffers (0 of this port), 900 sends refused
  forecast  full
`)
}

func TestBar(t *testing.T) {
	for part, filled := range map[float64]int{-1: 0, 0: 0, 0.5: 25, 0.999: 50, 1: 50, 7: 50} {
		require.Equal(t, strings.Repeat("#", filled)+strings.Repeat(".", 50-filled), bar(part), part)
	}
}

func TestBytesText(t *testing.T) {
	for n, want := range map[uint64]string{0: "0 B", 1023: "1.02e+03 B", 2048: "2 KiB", 69206016: "66 MiB", 5 << 30: "5 GiB"} {
		require.Equal(t, want, bytesText(n))
	}
}
