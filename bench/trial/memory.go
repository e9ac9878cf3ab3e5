package trial

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"strconv"
)

// slabMemory is the memory that the kernel's own objects take and that it cannot take back on demand, in bytes
// (SUnreclaim, proc_meminfo(5)). The entries of connection tracking are among them, with whatever belongs to one: its
// object in the cache nf_conntrack, an extension if one is in use, and what a slab wastes between objects. /proc/slabinfo
// says it of each cache, but shares caches of the same size, leaves out extensions, and is for root alone.
func slabMemory() (uint64, error) {
	text, err := os.ReadFile("/proc/meminfo")
	if err != nil {
		return 0, err
	}
	return parseUnreclaimable(text)
}

func parseUnreclaimable(meminfo []byte) (uint64, error) {
	for line := range bytes.Lines(meminfo) {
		fields := bytes.Fields(line)
		if len(fields) == 3 && string(fields[0]) == "SUnreclaim:" && string(fields[2]) == "kB" {
			kib, err := strconv.ParseUint(string(fields[1]), 10, 53)
			if err != nil {
				return 0, fmt.Errorf("parse /proc/meminfo: SUnreclaim %.32q is not a number", fields[1])
			}
			return kib << 10, nil
		}
	}
	return 0, errors.New("parse /proc/meminfo: no SUnreclaim")
}
