// Package page is a report as questions with their answers, tables and plots, and writes it as one HTML file and as
// Markdown. Both say the same, but that Markdown has no plots: where it is read, in a pull request, drawings inside the
// text are not shown.
//
// The HTML needs nothing else: no script, no other file, no network, and forbids itself all three. It is readable on a
// phone of 320 pixels, in the dark, on paper, and with a screen reader. Text of every kind is escaped here, so that
// nothing that a kernel, a command line or a machine calls itself can become markup. In text, backquotes make code of
// what is between them.
package page

import (
	"strings"

	"supernode/bench/report/plot"
)

// Page is a report.
type Page struct {
	Title    string
	Lead     string // the answer in short
	Warnings []string
	Sections []Section
	Missing  []string // what there is no section of
}

// Section is one question.
type Section struct {
	ID      string // for links to it
	Heading string
	Tag     string // the answer in a word or two, if there is such a one
	Answer  string // in one sentence
	Body    []Block
}

// Block is a part of a section: Text, List, Table, Figures or Code.
type Block interface {
	kind() string
	markdown(d *strings.Builder)
}

// Text is a paragraph.
type Text string

// List is a list of points.
type List []string

// Code is to be read as it stands, in lines.
type Code string

// Table has a name, a head and rows; the first cell of a row says what the row is.
type Table struct {
	Caption string
	Head    []string
	Rows    [][]string
	Words   bool // the cells are words, not figures
	Folded  bool // on a screen only its caption is shown until it is asked for: plots beside it say the same
}

// Figures are plots to be looked at beside each other.
type Figures []Figure

// Figure is a plot. The caption says what to see in it.
type Figure struct {
	Caption string
	Chart   plot.Chart
}

func (Text) kind() string    { return "text" }
func (List) kind() string    { return "list" }
func (Code) kind() string    { return "code" }
func (Table) kind() string   { return "table" }
func (Figures) kind() string { return "figures" }
