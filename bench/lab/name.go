package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
)

// A lab is known by the names of its two namespaces:
//
//	supernode-lab.PID.START.NAME.server      of a lab that ends with its owner
//	supernode-kept.PID.START.NAME.server     of a lab with Spec.Keep
//
// PID and START are the owner's process id and its start in clock ticks since boot (/proc/PID/stat, field 22), which
// together are never reused.
const (
	prefixOwned = "supernode-lab"
	prefixKept  = "supernode-kept"
)

type identity struct {
	kept  bool
	pid   int
	start uint64
	name  string
}

// String returns the name without the side.
func (id identity) String() string {
	prefix := prefixOwned
	if id.kept {
		prefix = prefixKept
	}
	return fmt.Sprintf("%s.%d.%d.%s", prefix, id.pid, id.start, id.name)
}

func (id identity) namespace(s Side) string { return id.String() + "." + s.String() }

// parseNamespace reads a namespace's name; ok is false for everything that no lab made.
func parseNamespace(name string) (id identity, side Side, ok bool) {
	parts := strings.Split(name, ".")
	if len(parts) != 5 {
		return identity{}, 0, false
	}
	switch parts[0] {
	case prefixOwned:
	case prefixKept:
		id.kept = true
	default:
		return identity{}, 0, false
	}
	var err1, err2 error
	id.pid, err1 = strconv.Atoi(parts[1])
	id.start, err2 = strconv.ParseUint(parts[2], 10, 64)
	id.name = parts[3]
	switch parts[4] {
	case "server":
		side = Server
	case "client":
		side = Client
	default:
		return identity{}, 0, false
	}
	// The name must be the one that namespace would give, so that "+1" or "01" do not pass for a process id.
	ok = err1 == nil && err2 == nil && id.pid > 0 && validName.MatchString(id.name) && id.namespace(side) == name
	if !ok {
		return identity{}, 0, false
	}
	return id, side, true
}

// ownerAlive reports whether the process that made the lab still runs. A killed process that nobody has waited for
// yet is dead.
func (id identity) ownerAlive() bool {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", id.pid))
	if err != nil {
		return false
	}
	state, start, err := parseProcStat(b)
	if err != nil {
		return true // never take a lab away on a doubt
	}
	return start == id.start && state != 'Z' && state != 'X'
}

// ownStart returns the calling process's start in clock ticks since boot.
func ownStart() (uint64, error) {
	b, err := os.ReadFile("/proc/self/stat")
	if err != nil {
		return 0, fmt.Errorf("read own start time: %w", err)
	}
	_, start, err := parseProcStat(b)
	return start, err
}

// parseProcStat takes the state (field 3) and the start time (field 22) from /proc/PID/stat. The command's name,
// field 2, may hold spaces and parentheses, so counting begins after the last parenthesis (proc_pid_stat(5)).
func parseProcStat(b []byte) (state byte, start uint64, err error) {
	i := bytes.LastIndexByte(b, ')')
	if i < 0 {
		return 0, 0, errors.New("parse /proc/PID/stat: no command name")
	}
	fields := bytes.Fields(b[i+1:])
	if len(fields) < 20 || len(fields[0]) != 1 {
		return 0, 0, fmt.Errorf("parse /proc/PID/stat: %d fields after the command name, want 20 or more", len(fields))
	}
	start, err = strconv.ParseUint(string(fields[19]), 10, 64)
	if err != nil {
		return 0, 0, fmt.Errorf("parse /proc/PID/stat: start time: %w", err)
	}
	return fields[0][0], start, nil
}
