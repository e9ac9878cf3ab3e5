package conntrack

import (
	"context"
	"fmt"
	"net/netip"
	"time"
)

// Prove finds out by Probe whether datagrams of the port are tracked, and lets the rules speak where a full table hides
// that. It is for a kernel that has connection tracking: asking another one for its rules could load it. Without the right
// to see the rules it says what the probe said.
func Prove(port uint16) (Activity, error) {
	a, err := Probe(port)
	if err != nil {
		return a, err
	}
	if rules, err := Rules(port); err == nil {
		a, _ = weigh(a, rules)
		a, _ = crossCheck(port, a)
	}
	return a, nil
}

// crossCheck settles a doubt of weigh's, if traffic of other hosts does: a flow of the port's that has had a packet a
// moment ago is tracked. That there is none proves nothing, for there may be no traffic.
func crossCheck(port uint16, a Activity) (_ Activity, settled bool) {
	if !a.doubted {
		return a, false
	}
	if n, err := freshFlows(port); err == nil && n > 0 {
		a.Evidence = fmt.Sprintf("datagrams of port %d are tracked: %d flows with other hosts had one just now (%s)", port, n, a.Evidence)
		return a, true
	}
	return a, false
}

// freshFor is how long ago at most the last packet of a fresh flow came. The kernel gives the time left in whole seconds.
const freshFor = 2 * time.Second

// freshFlows counts the entries of the port with other hosts that have had a packet a moment ago.
func freshFlows(port uint16) (n int, err error) {
	facts, err := Read()
	if err != nil {
		return 0, err
	}
	local, err := localPrefixes()
	if err != nil {
		return 0, err
	}
	err = scan(context.Background(), NewEntries(port), func(_ byte, entry []byte) error {
		x, ok := parseEntry(entry, port, local)
		life := facts.UDPTimeout
		if x.Assured {
			life = facts.UDPStreamTimeout
		}
		if ok && life > 0 && x.Left > life-freshFor && !contains(local, x.Remote) && !ofProbe.Contains(x.Remote) {
			n++
		}
		return nil
	})
	return n, err
}

// ofProbe is where the probe's datagrams seem to come from (RFC 5737).
var ofProbe = netip.MustParsePrefix("192.0.2.0/24")
