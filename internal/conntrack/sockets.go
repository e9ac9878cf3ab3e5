package conntrack

import (
	"fmt"
	"io"
	"strconv"
	"strings"
)

// parseUDP adds what /proc/net/udp or udp6 says of the sockets of a port: that there are some, and their drops, which
// is the last column (since Linux 2.6.27).
func (s *Sockets) parseUDP(r io.Reader, port uint16) error {
	sc := newScanner(r)
	for sc.Scan() {
		fields := strings.Fields(sc.Text())
		if len(fields) < 2 || !strings.HasSuffix(fields[0], ":") {
			continue // the header
		}
		_, hex, _ := strings.Cut(fields[1], ":")
		p, err := strconv.ParseUint(hex, 16, 16)
		if err != nil {
			return fmt.Errorf("parse local address %.64q: no port", fields[1])
		}
		if uint16(p) != port {
			continue
		}
		s.Bound = true
		if len(fields) < 13 {
			continue // too old to count
		}
		drops, err := strconv.ParseUint(fields[len(fields)-1], 10, 32)
		if err != nil {
			return fmt.Errorf("parse drops %.32q: not a number", fields[len(fields)-1])
		}
		s.PortDrops += drops
	}
	return sc.Err()
}

// parseSNMP adds the counters of /proc/net/snmp: a line of names and a line of numbers for each protocol.
func (s *Sockets) parseSNMP(r io.Reader) error {
	sc := newScanner(r)
	for sc.Scan() {
		names := strings.Fields(sc.Text())
		if !sc.Scan() {
			return fmt.Errorf("parse SNMP counters: no numbers follow %.32q", names)
		}
		values := strings.Fields(sc.Text())
		if len(names) == 0 || len(values) != len(names) || values[0] != names[0] {
			return fmt.Errorf("parse SNMP counters: %d numbers under %d names", len(values), len(names))
		}
		for i, name := range names[1:] {
			if err := s.add(names[0]+name, values[i+1]); err != nil {
				return err
			}
		}
	}
	return sc.Err()
}

// parseSNMP6 adds the counters of /proc/net/snmp6: a name and a number on each line.
func (s *Sockets) parseSNMP6(r io.Reader) error {
	sc := newScanner(r)
	for sc.Scan() {
		fields := strings.Fields(sc.Text())
		if len(fields) != 2 {
			return fmt.Errorf("parse SNMP counters: %.64q is not a name and a number", sc.Text())
		}
		if err := s.add(fields[0], fields[1]); err != nil {
			return err
		}
	}
	return sc.Err()
}

// add adds one counter, if it is one of ours.
func (s *Sockets) add(name, value string) error {
	var to *uint64
	switch name {
	case "Udp:RcvbufErrors", "Udp6RcvbufErrors":
		to = &s.ReceiveBufferErrors
	case "Udp:SndbufErrors", "Udp6SndbufErrors":
		to = &s.SendBufferErrors
	case "Ip:OutDiscards", "Ip6OutDiscards":
		to = &s.OutDiscards
	default:
		return nil
	}
	v, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		return fmt.Errorf("parse counter %s: %.32q is not a number", name, value)
	}
	*to += v
	return nil
}
