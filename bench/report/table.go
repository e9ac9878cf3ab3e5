package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode/utf8"

	"supernode/bench/plan"
	"supernode/bench/stat"
)

// Escape sequences of ECMA-48, section 8.3.117.
const (
	plain  = "\x1b[0m"
	bold   = "\x1b[1m"
	red    = "\x1b[31m"
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
)

// cellText is one field of the table on the terminal; colour is an escape sequence or empty.
type cellText struct{ text, colour string }

// Table writes what a person at a terminal wants to know: the figures on one screen, the answer, and
// whether to believe it. Escape sequences are used only if colour is true.
func (s Summary) Table(w io.Writer, colour bool) error {
	lines := [][]cellText{headings("flows", "arm", "CPU ns/query", "against off [interval]", "verdict", "p50 µs", "p99 µs", "lost", "answers/s", "entries")}
	for i, a := range s.Arms {
		if i > 0 && a.Flows != s.Arms[i-1].Flows {
			lines = append(lines, nil)
		}
		lines = append(lines, s.tableRow(a))
	}
	var b strings.Builder
	layOut(&b, lines, colour, 1, 4)
	b.WriteByte('\n')
	for i, answer := range s.Answers {
		if i == 0 {
			answer = paint(answer, bold, colour)
		}
		b.WriteString(answer + "\n")
	}
	verdict := paint("conclusive", green, colour)
	if s.Verdict == Inconclusive {
		verdict = paint("inconclusive", yellow, colour) + ": " + strings.Join(s.Reasons, "; ")
	}
	fmt.Fprintf(&b, "\nverdict of the run: %s\n", verdict)
	fmt.Fprintf(&b, "control: %s %.3f, %s interval %.3f to %.3f; %d of %d trials count\n", s.Control.Metric, s.Control.Ratio,
		s.confidence(), s.Control.Lo, s.Control.Hi, s.Trials.Recorded-s.Trials.Excluded, s.Trials.Planned)
	for _, n := range s.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	if _, err := io.WriteString(w, b.String()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

func headings(names ...string) []cellText {
	row := make([]cellText, len(names))
	for i, n := range names {
		row[i] = cellText{n, bold}
	}
	return row
}

func (s Summary) tableRow(a Arm) []cellText {
	lost, answers := "–", only(a.AnswersPerS, Group)
	if a.LossRatio != nil {
		lost = part(*a.LossRatio)
	}
	if a.Limited {
		answers = "≥" + answers
	}
	row := []cellText{{text: Group(float64(a.FlowCount))}, {text: string(a.Arm)}, {text: only(a.CPU, Group)}}
	if c, ok := s.compare(a.Arm, plan.Off, a.Flows, cpuMetric); ok {
		row = append(row, cellText{text: fmt.Sprintf("%s [%+.1f, %+.1f]", change(c.Ratio), 100*(c.Lo-1), 100*(c.Hi-1))},
			cellText{string(c.Verdict), verdictColour[c.Verdict]})
	} else {
		row = append(row, cellText{}, cellText{})
	}
	return append(row, cellText{text: only(a.Latency.P50, micros)}, cellText{text: only(a.Latency.P99, micros)},
		cellText{text: lost}, cellText{text: answers}, cellText{text: Group(float64(a.Conntrack.Entries))})
}

var verdictColour = map[stat.Verdict]string{
	stat.Slower: red, stat.Faster: green, stat.Inconclusive: yellow,
}

func paint(text, colour string, on bool) string {
	if !on || colour == "" {
		return text
	}
	return colour + text + plain
}

// layOut pads the columns to equal width, words to the left in the columns named, figures to the right. Widths are
// counted before colouring, as escape sequences take no room.
func layOut(b *strings.Builder, lines [][]cellText, colour bool, left ...int) {
	var widths []int
	for _, line := range lines {
		for i, c := range line {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			widths[i] = max(widths[i], utf8.RuneCountInString(c.text))
		}
	}
	for _, line := range lines {
		var row strings.Builder
		for i, c := range line {
			if i > 0 {
				row.WriteString("  ")
			}
			pad := strings.Repeat(" ", widths[i]-utf8.RuneCountInString(c.text))
			if slices.Contains(left, i) {
				row.WriteString(paint(c.text, c.colour, colour) + pad)
			} else {
				row.WriteString(pad + paint(c.text, c.colour, colour))
			}
		}
		b.WriteString(strings.TrimRight(row.String(), " ") + "\n")
	}
}
