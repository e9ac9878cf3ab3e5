package main

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

var digits = regexp.MustCompile(`\d+`)

// leading is the first part of a piece of evidence, without what varies from run to run: numbers, and what is in
// parentheses.
func leading(evidence string) string {
	text, _, _ := strings.Cut(evidence, " (")
	return digits.ReplaceAllString(text, "N")
}

// documented checks that a verdict, with its status and leading evidence, is a row of the table of docs/doctor.md, unless
// the evidence is about something else than connection tracking.
func documented(t *testing.T, f findings) {
	t.Helper()
	text, err := os.ReadFile("../../docs/doctor.md")
	require.NoError(t, err)
	for line := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(line), "|")
		if len(cells) != 6 {
			continue
		}
		verdict, evidence, exit := strings.Trim(cells[2], " `"), strings.TrimSpace(cells[3]), strings.TrimSpace(cells[4])
		if verdict == string(f.Verdict) && exit == strconv.Itoa(f.exit) && leading(evidence) == leading(f.Evidence[0]) {
			return
		}
	}
	require.Fail(t, "not in docs/doctor.md", "| … | `%s` | %s | %d |", f.Verdict, f.Evidence[0], f.exit)
}
