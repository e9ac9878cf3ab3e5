package report

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"supernode/bench/record"
)

// Document is Markdown text being written. The zero value is empty and good.
type Document struct{ strings.Builder }

// Line appends a line.
func (d *Document) Line(text string) { d.WriteString(text + "\n") }

// Linef appends a formatted line.
func (d *Document) Linef(format string, args ...any) { fmt.Fprintf(d, format+"\n", args...) }

// Table appends rows under a head, and an empty line; every column but the first is set to the right.
func (d *Document) Table(head []string, rows [][]string) {
	d.Line("| " + strings.Join(head, " | ") + " |")
	d.Line("|---|" + strings.Repeat("---:|", len(head)-1))
	for _, row := range rows {
		d.Line("| " + strings.Join(row, " | ") + " |")
	}
	d.Line("")
}

// Machine appends what is known of the machine, and of the versions of programs that ran on it.
func (d *Document) Machine(m record.Machine, versions map[string]string) {
	d.Line("## Machine")
	d.Line("")
	for _, f := range facts(m, versions) {
		d.Linef("- %s: %s", f[0], f[1])
	}
	d.Line("")
}

// facts are what is known of the machine and the programs, by name.
func facts(m record.Machine, versions map[string]string) [][2]string {
	all := [][2]string{
		{"system", m.OS}, {"kernel", m.Kernel}, {"architecture", m.Arch}, {"processor", m.CPU},
		{"processors online", count(uint64(m.CPUs))}, {"hypervisor", m.Hypervisor}, {"memory", size(m.Memory)},
		{"conntrack limit", count(m.ConntrackLimit)}, {"conntrack buckets", count(m.ConntrackBuckets)},
		{"conntrack entry", size(m.ConntrackEntry)},
		{"server's core", fmt.Sprint(m.ServerCPU)}, {"generator's core", fmt.Sprint(m.ClientCPU)},
	}
	for _, program := range slices.Sorted(maps.Keys(versions)) {
		all = append(all, [2]string{program, versions[program]})
	}
	return slices.DeleteFunc(all, func(f [2]string) bool { return f[1] == "" })
}
