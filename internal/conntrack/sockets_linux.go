package conntrack

import (
	"errors"
	"io"
	"io/fs"
	"path/filepath"
)

// FactSockets is the name of what Sockets holds, as in its Unchecked.
const FactSockets = "sockets"

// ReadSockets reads the counters of the calling thread's network namespace. root is where /proc is, "/" but in
// tests.
func ReadSockets(root string, port uint16) (s Sockets) {
	for _, file := range []struct {
		name  string
		parse func(io.Reader) error
	}{
		{"udp", func(r io.Reader) error { return s.parseUDP(r, port) }},
		{"udp6", func(r io.Reader) error { return s.parseUDP(r, port) }},
		{"snmp", s.parseSNMP},
		{"snmp6", s.parseSNMP6},
	} {
		err := parseFile(filepath.Join(root, "proc/thread-self/net", file.name), file.parse)
		if err != nil && !(errors.Is(err, fs.ErrNotExist) && file.name[len(file.name)-1] == '6') { // no IPv6 here
			s.Unchecked = append(s.Unchecked, FactSockets+": "+err.Error())
		}
	}
	return s
}
