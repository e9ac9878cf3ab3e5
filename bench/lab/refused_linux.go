package lab

import (
	"fmt"
	"strconv"
)

// Refused is how many packets the side itself wanted to send and its firewall, connection tracking included, dropped on
// their way out, since the lab began: the IP layer counts what it is asked to send before the rules (OutRequests) and what
// it sends after them (OutTransmits, RFC 4293). ok is false where the kernel does not say the latter, as older ones.
func (l *Lab) Refused(side Side) (packets uint64, ok bool, err error) {
	counts := outgoing{}
	if err := l.eachCounter(side, "Ip", counts.add); err != nil {
		return 0, false, fmt.Errorf("read IP counters of the %s: %w", side, err)
	}
	sent, ok := counts["OutTransmits"]
	return max(counts["OutRequests"], sent) - sent, ok, nil
}

// outgoing adds up those two counters by name.
type outgoing map[string]uint64

func (counts outgoing) add(name string, number []byte) error {
	if name != "OutRequests" && name != "OutTransmits" {
		return nil
	}
	n, err := strconv.ParseUint(string(number), 10, 64)
	if err != nil {
		return fmt.Errorf("%s: %.32q is not a number", name, number)
	}
	counts[name] += n
	return nil
}
