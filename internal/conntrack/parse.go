package conntrack

import (
	"bufio"
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// maxStatLine bounds a line of the statistics table. Linux 6.18 prints 153 bytes a processor.
const maxStatLine = 4096

// canonical maps column names of /proc/net/stat/nf_conntrack to the names the kernel uses on netlink (CTA_STATS_* in
// include/uapi/linux/netfilter/nfnetlink_conntrack.h), so that both sources say the same word.
var canonical = map[string]string{
	"clashres":    ClashResolve, // since 5.10, in the place of "searched"
	"chainlength": ChainTooLong, // since 5.15, in the place of "delete_list"
	"icmp_error":  "error",
}

// parseValue reads a file that holds one decimal number, as those in /proc/sys do.
func parseValue(b []byte) (uint64, error) {
	s := string(bytes.TrimSpace(b))
	v, err := strconv.ParseUint(s, 10, 64)
	if err != nil {
		return 0, fmt.Errorf("parse value %.32q: not a number", s)
	}
	return v, nil
}

// parseStats reads /proc/net/stat/nf_conntrack: a line of column names, then one line of hexadecimal numbers a
// processor. Columns are taken by name, never by place. It returns the sums over processors and, apart, the number of
// entries, which each line repeats for the whole namespace (hasEntries says whether there was such a column).
func parseStats(r io.Reader) (sum Counters, entries uint64, hasEntries bool, err error) {
	sc := bufio.NewScanner(r)
	sc.Buffer(make([]byte, 0, 512), maxStatLine)
	if !sc.Scan() {
		return nil, 0, false, fmt.Errorf("read column names: %w", cmp.Or(sc.Err(), io.ErrUnexpectedEOF))
	}
	names, err := columnNames(sc.Bytes())
	if err != nil {
		return nil, 0, false, err
	}
	sum = make(Counters, len(names))
	rows := 0
	for ; sc.Scan(); rows++ {
		cells := bytes.Fields(sc.Bytes())
		if len(cells) != len(names) {
			return nil, 0, false, fmt.Errorf("parse line %d: %d numbers under %d column names", rows+2, len(cells), len(names))
		}
		for i, name := range names {
			v, err := strconv.ParseUint(string(cells[i]), 16, 64)
			if err != nil {
				return nil, 0, false, fmt.Errorf("parse line %d column %q: %.32q is not hexadecimal", rows+2, name, cells[i])
			}
			if name == "entries" {
				entries, hasEntries = v, true
				continue
			}
			sum[name] += v
		}
	}
	if err := sc.Err(); err != nil {
		return nil, 0, false, fmt.Errorf("read line %d: %w", rows+2, err)
	}
	if rows == 0 {
		return nil, 0, false, errors.New("parse statistics: no processor's line follows the column names")
	}
	return sum, entries, hasEntries, nil
}

// columnNames splits the header. A number where a name should be means that the header is missing; a name that comes
// twice would be counted twice.
func columnNames(line []byte) ([]string, error) {
	fields := bytes.Fields(line)
	if len(fields) == 0 {
		return nil, errors.New("parse column names: the first line is empty")
	}
	names := make([]string, len(fields))
	seen := make(map[string]bool, len(fields))
	for i, f := range fields {
		name := string(f)
		if f[0] >= '0' && f[0] <= '9' {
			return nil, fmt.Errorf("parse column names: %.32q is a number", name)
		}
		if c, ok := canonical[name]; ok {
			name = c
		}
		if seen[name] {
			return nil, fmt.Errorf("parse column names: %.32q comes twice", name)
		}
		seen[name] = true
		names[i] = name
	}
	return names, nil
}
