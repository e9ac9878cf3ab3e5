package conntrack

import (
	"strconv"
	"strings"
	"unicode"
)

// printable makes a name that others have chosen fit for a terminal: what does not print, which may be a command to the
// terminal or a line of its own, is written as Go writes it, as \x1b for an escape.
func printable(name string) string {
	if !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) || r == unicode.ReplacementChar }) {
		return name
	}
	quoted := strconv.Quote(name)
	return quoted[1 : len(quoted)-1]
}
