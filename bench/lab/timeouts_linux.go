package lab

import (
	"fmt"
	"math"
	"os"
	"strconv"
	"time"
)

// udpTimeouts are the files of a namespace's own time-outs (Documentation/networking/nf_conntrack-sysctl.rst). They are
// there once connection tracking is in the kernel.
const (
	udpTimeoutFile       = "/proc/sys/net/netfilter/nf_conntrack_udp_timeout"
	udpStreamTimeoutFile = "/proc/sys/net/netfilter/nf_conntrack_udp_timeout_stream"
)

// SetUDPTimeouts sets for how long the server namespace keeps a UDP entry after its last packet, in whole seconds: one
// that is younger than two seconds or has seen no reply, and one that has become a stream. Other namespaces keep theirs.
// It returns a function that restores what was there.
func (l *Lab) SetUDPTimeouts(unreplied, stream time.Duration) (restore func() error, err error) {
	before, err := l.Conntrack()
	if err != nil {
		return nil, err
	}
	set := func(unreplied, stream time.Duration) error {
		return l.Do(Server, func() error {
			for file, d := range map[string]time.Duration{udpTimeoutFile: unreplied, udpStreamTimeoutFile: stream} {
				seconds := strconv.Itoa(max(1, int(math.Ceil(d.Seconds()))))
				if err := os.WriteFile(file, []byte(seconds), 0); err != nil {
					return fmt.Errorf("set time-out of the server's UDP entries: %w", err)
				}
			}
			return nil
		})
	}
	if before.UDPTimeout <= 0 || before.UDPStreamTimeout <= 0 {
		return nil, fmt.Errorf("set time-outs of the server's UDP entries: what they are cannot be read: %q", before.Unchecked)
	}
	return func() error { return set(before.UDPTimeout, before.UDPStreamTimeout) }, set(unreplied, stream)
}
