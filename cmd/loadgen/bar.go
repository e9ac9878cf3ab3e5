package main

import (
	"math"
	"strings"
	"unicode/utf8"
)

// plainLine is an interval for a file or a pipe.
func plainLine(i *interval) string {
	g := i.glance()
	return joined(g.at, g.offered, g.sent, g.answered, g.lost, g.p50, g.p99, g.left)
}

// joined puts those that are not empty two columns apart.
func joined(words ...string) string {
	var b strings.Builder
	for _, w := range words {
		if w == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString("  ")
		}
		b.WriteString(w)
	}
	return b.String()
}

// The bar's columns. It is left out before it becomes too short to read.
const (
	longestBar  = 24
	shortestBar = 8
)

// Colours, as in ECMA-48 (select graphic rendition).
const (
	green  = "\x1b[32m"
	yellow = "\x1b[33m"
	red    = "\x1b[31m"
	plain  = "\x1b[0m"
)

// barLine is an interval for a terminal of so many columns: what fits in all but the last, so that the line never wraps, as
// one that has wrapped cannot be rewritten. What matters least is left out first: what was sent and offered, as the bar says
// it too, then the median, then the bar.
func barLine(i *interval, width int, colour bool) string {
	g := i.glance()
	words := []string{strings.TrimSpace(g.at), "", g.answered, g.lost, strings.TrimSuffix(g.p50, " µs"), g.p99, g.sent, g.offered, g.left}
	room := width - 1
	for _, drop := range []struct{ word, besides int }{
		{6, shortestBar + 2}, {7, shortestBar + 2}, {4, shortestBar + 2}, {8, 0}, {3, 0}, {5, 0},
	} {
		if utf8.RuneCountInString(joined(words...))+drop.besides <= room {
			break
		}
		words[drop.word] = ""
	}
	line := joined(words...)
	used := utf8.RuneCountInString(line)
	if used > room {
		return string([]rune(line)[:max(0, room)])
	}
	if free := min(room-used-2, longestBar); free >= shortestBar {
		words[1] = painted(bar(g.served, free), shade(1-g.served, 0.01), colour)
	}
	words[3] = painted(words[3], shade(g.loss, 0.001), colour)
	return joined(words...)
}

// bar is so many columns, of which a part is full.
func bar(part float64, columns int) string {
	full := int(math.Round(part * float64(columns)))
	return strings.Repeat("█", full) + strings.Repeat("░", columns-full)
}

// shade is the colour of something that should be none, is bearable up to some, and alarming from ten times that.
func shade(amount, some float64) string {
	switch {
	case amount < some:
		return green
	case amount < 10*some:
		return yellow
	}
	return red
}

func painted(text, shade string, colour bool) string {
	if !colour || text == "" {
		return text
	}
	return shade + text + plain
}
