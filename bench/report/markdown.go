package report

import (
	"io"
	"strings"
)

// Markdown writes report.md: the answers first, then the figures, the method and what else a reader needs to judge or
// repeat them, folded up.
func (s Summary) Markdown(w io.Writer) error { return s.Page().Markdown(w) }

// HTML writes report.html: the same with plots, in one file.
func (s Summary) HTML(w io.Writer) error { return s.Page().HTML(w) }

func sentenceCase(text string) string {
	if text == "" {
		return text
	}
	return strings.ToUpper(text[:1]) + text[1:]
}
