package report

import (
	"fmt"
	"strings"
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
