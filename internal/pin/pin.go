// Package pin keeps a process on chosen processors, so that a measurement says which core did the work and a
// packet loop keeps its caches. A list is written as taskset and the kernel's cpulist files write it: "0,2-3".
package pin

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// List is a list of processors by number. It is a command-line flag's value (pflag.Value); empty means: wherever
// the kernel likes.
type List []int

const maxCPU = 1023 // the kernel's cpu_set_t

// Set parses text. The error names the part that is wrong; the list is then unchanged.
func (l *List) Set(text string) error {
	var list List
	for part := range strings.SplitSeq(text, ",") {
		from, to, isRange := strings.Cut(part, "-")
		first, err := strconv.ParseUint(from, 10, 16)
		last := first
		if isRange && err == nil {
			last, err = strconv.ParseUint(to, 10, 16)
		}
		if err != nil || last < first || last > maxCPU {
			return fmt.Errorf("%q: must be processors 0 to %d, as in 0,2-3", part, maxCPU)
		}
		for cpu := first; cpu <= last; cpu++ {
			if !slices.Contains(list, int(cpu)) { // whoever counts them counts processors
				list = append(list, int(cpu))
			}
		}
	}
	*l = list
	return nil
}

// String is the list in the form that Set parses, ranges written out.
func (l *List) String() string {
	parts := make([]string, len(*l))
	for i, cpu := range *l {
		parts[i] = strconv.Itoa(cpu)
	}
	return strings.Join(parts, ",")
}

// Type is what the help calls the flag's value.
func (l *List) Type() string { return "LIST" }
