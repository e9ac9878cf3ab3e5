package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
)

// eachCounter calls add with each counter that the side's kernel keeps of a protocol ("Ip", "Udp"), of IPv4 and then, if
// there is any, of IPv6, in which the names are the same.
func (l *Lab) eachCounter(side Side, protocol string, add func(name string, number []byte) error) error {
	return l.Do(side, func() error {
		b, err := os.ReadFile("/proc/thread-self/net/snmp")
		if err == nil {
			err = eachSNMP(b, protocol, add)
		}
		if err != nil {
			return err
		}
		b, err = os.ReadFile("/proc/thread-self/net/snmp6")
		switch {
		case errors.Is(err, os.ErrNotExist):
			return nil
		case err != nil:
			return err
		}
		return eachSNMP6(b, protocol, add)
	})
}

// eachSNMP reads /proc/net/snmp: for each protocol a line of names and below it a line of numbers, both beginning with
// the protocol and a colon.
func eachSNMP(b []byte, protocol string, add func(name string, number []byte) error) error {
	var names [][]byte
	for line := range bytes.Lines(b) {
		fields := bytes.Fields(line)
		if len(fields) == 0 || string(fields[0]) != protocol+":" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		if len(fields) != len(names) {
			return fmt.Errorf("parse /proc/net/snmp: %d numbers under %d names", len(fields)-1, len(names)-1)
		}
		for i, number := range fields[1:] {
			if err := add(string(names[i+1]), number); err != nil {
				return fmt.Errorf("parse /proc/net/snmp: %w", err)
			}
		}
		return nil
	}
	return fmt.Errorf("parse /proc/net/snmp: no numbers for %s", protocol)
}

// eachSNMP6 reads /proc/net/snmp6: a name, which begins with the protocol and a 6, and a number a line.
func eachSNMP6(b []byte, protocol string, add func(name string, number []byte) error) error {
	for line := range bytes.Lines(b) {
		fields := bytes.Fields(line)
		if len(fields) != 2 {
			continue
		}
		name, ok := bytes.CutPrefix(fields[0], []byte(protocol+"6"))
		if !ok {
			continue
		}
		if err := add(string(name), fields[1]); err != nil {
			return fmt.Errorf("parse /proc/net/snmp6: %w", err)
		}
	}
	return nil
}
