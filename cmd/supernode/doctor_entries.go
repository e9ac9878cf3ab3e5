package main

import (
	"fmt"
	"io"

	"supernode/internal/conntrack"
)

// topSources is how many hosts and networks are listed.
const topSources = 10

// writeEntries lists a summary for people to read.
func writeEntries(w io.Writer, e *conntrack.Entries) error {
	out := &errWriter{w: w}
	out.printf("%d entries of UDP port %d, of %d in the table of this network namespace\n", e.Total, e.Port, e.Scanned)
	if e.Total == 0 {
		return out.err
	}
	row := func(n uint64, what string) {
		out.printf("%12d  %5.1f %%  %s\n", n, 100*float64(n)/float64(e.Total), what)
	}
	out.printf("\nstate\n")
	row(e.Waiting, "one way only: no answer yet")
	row(e.Replied, "answered, can be evicted when the table is full")
	row(e.Assured, "assured: answered and went on, never evicted")
	out.printf("\nbegun by\n")
	row(e.Inbound, "others")
	row(e.Total-e.Inbound, "this host")
	out.printf("\nfamily\n")
	row(e.Total-e.IPv6, "IPv4")
	row(e.IPv6, "IPv6")
	out.printf("\ntime left, if nothing more comes\n")
	for i, n := range e.TimeLeft {
		if i < len(conntrack.TimeLeftBounds) {
			row(n, fmt.Sprintf("under %v", conntrack.TimeLeftBounds[i]))
		} else {
			row(n, "longer")
		}
	}
	for _, list := range []struct {
		what    string
		sources []conntrack.Source
	}{{"hosts", e.TopHosts(topSources)}, {"networks (IPv4 /24, IPv6 /48)", e.TopNetworks(topSources)}} {
		out.printf("\ntop %s\n", list.what)
		for _, s := range list.sources {
			name := s.Prefix.String()
			if s.Prefix.IsSingleIP() {
				name = s.Prefix.Addr().String()
			}
			if s.Over > 0 {
				name += fmt.Sprintf(" (at least %d)", s.Count-s.Over)
			}
			row(s.Count, name)
		}
	}
	return out.err
}
