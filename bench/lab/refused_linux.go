package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
)

// Refused is how many packets the side itself wanted to send and its firewall, connection tracking included, dropped on
// their way out, since the lab began: the IP layer counts what it is asked to send before the rules (OutRequests) and what
// it sends after them (OutTransmits, RFC 4293). ok is false where the kernel does not say the latter, as older ones.
func (l *Lab) Refused(side Side) (packets uint64, ok bool, err error) {
	counts := map[string]uint64{}
	err = l.Do(side, func() error {
		b, err := os.ReadFile("/proc/thread-self/net/snmp")
		if err == nil {
			err = addIP(counts, b)
		}
		if err != nil {
			return err
		}
		b, err = os.ReadFile("/proc/thread-self/net/snmp6")
		if errors.Is(err, os.ErrNotExist) {
			return nil // no IPv6
		}
		if err != nil {
			return err
		}
		return addIP6(counts, b)
	})
	if err != nil {
		return 0, false, fmt.Errorf("read IP counters of the %s: %w", side, err)
	}
	sent, ok := counts["OutTransmits"]
	return max(counts["OutRequests"], sent) - sent, ok, nil
}

// addIP adds up the counters of the Ip line of /proc/net/snmp, which stands below a line of their names.
func addIP(counts map[string]uint64, b []byte) error {
	var names [][]byte
	for line := range bytes.Lines(b) {
		fields := bytes.Fields(line)
		if len(fields) == 0 || string(fields[0]) != "Ip:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		if len(fields) != len(names) {
			return fmt.Errorf("parse /proc/net/snmp: %d numbers under %d names", len(fields)-1, len(names)-1)
		}
		for i, f := range fields[1:] {
			if err := count(counts, string(names[i+1]), f); err != nil {
				return fmt.Errorf("parse /proc/net/snmp: %w", err)
			}
		}
		return nil
	}
	return errors.New("parse /proc/net/snmp: no numbers for Ip")
}

// addIP6 does the same for /proc/net/snmp6, a name and a number a line.
func addIP6(counts map[string]uint64, b []byte) error {
	for line := range bytes.Lines(b) {
		fields := bytes.Fields(line)
		if len(fields) != 2 {
			continue
		}
		if name, ok := bytes.CutPrefix(fields[0], []byte("Ip6")); ok {
			if err := count(counts, string(name), fields[1]); err != nil {
				return fmt.Errorf("parse /proc/net/snmp6: %w", err)
			}
		}
	}
	return nil
}

func count(counts map[string]uint64, name string, number []byte) error {
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
