package conntrack

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
)

// maxLine bounds a line of the files below. A module with many holders has a long one.
const maxLine = 64 << 10

func newScanner(r io.Reader) *bufio.Scanner {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 4096), maxLine)
	return sc
}

// parseSlab finds the size of one entry in /proc/slabinfo: the fourth column, of the cache nf_conntrack. Before Linux
// 4.9 each namespace had a cache, named by an address or a number behind that; before 2.6.20 it was
// ip_conntrack. It returns 0 if there is none.
func parseSlab(r io.Reader) (objectBytes uint64, err error) {
	sc := newScanner(r)
	for sc.Scan() {
		fields := strings.Fields(sc.Text())
		if len(fields) < 4 || !isEntryCache(fields[0]) {
			continue
		}
		if objectBytes, err = strconv.ParseUint(fields[3], 10, 32); err != nil {
			return 0, fmt.Errorf("parse object size of slab %.64q: %.32q is not a number", fields[0], fields[3])
		}
		return objectBytes, nil
	}
	return 0, sc.Err()
}

func isEntryCache(name string) bool {
	if name == "nf_conntrack" || name == "ip_conntrack" {
		return true
	}
	owner, ok := strings.CutPrefix(name, "nf_conntrack_")
	return ok && owner != "" && strings.Trim(owner, "0123456789abcdef") == ""
}

// parseModules lists the modules of connection tracking in /proc/modules, with their holders.
func parseModules(r io.Reader) (modules []Module, err error) {
	sc := newScanner(r)
	for sc.Scan() {
		fields := strings.Fields(sc.Text()) // name, size, references, holders, state, address
		if len(fields) < 4 || !strings.Contains(fields[0], "conntrack") {
			continue
		}
		holders := strings.FieldsFunc(fields[3], func(r rune) bool { return r == ',' })
		holders = slices.DeleteFunc(holders, func(h string) bool { return h == "-" || strings.HasPrefix(h, "[") }) // [permanent]
		modules = append(modules, Module{Name: fields[0], Holders: append([]string{}, holders...)})
	}
	return modules, sc.Err()
}

// isTableFull says whether a record of /dev/kmsg (Documentation/ABI/testing/dev-kmsg: priority, number and time, a
// semicolon, the text) is the kernel's complaint of a full table, in its old wording (ip_conntrack), the usual one, or
// that of other namespaces (table full in netns N). What programs wrote to the log does not count.
func isTableFull(record []byte) bool {
	head, text, ok := bytes.Cut(record, []byte{';'})
	if !ok {
		return false
	}
	priority, _, _ := bytes.Cut(head, []byte{','})
	p, err := strconv.ParseUint(string(priority), 10, 32)
	if err != nil || p>>3 != 0 { // facility 0: the kernel
		return false
	}
	line, _, _ := bytes.Cut(text, []byte{'\n'})
	_, after, ok := bytes.Cut(line, []byte("_conntrack: table full"))
	return ok && bytes.Contains(after, []byte("dropping packet"))
}
