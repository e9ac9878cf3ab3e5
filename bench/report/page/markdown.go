package page

import (
	"fmt"
	"io"
	"strings"
)

// Markdown writes the page for a pull request: all answers first, what they rest on folded up below.
func (p Page) Markdown(w io.Writer) error {
	var d strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&d, format+"\n", args...) }
	line("# %s\n", plain(p.Title))
	if p.Lead != "" {
		line("> %s\n", plain(p.Lead))
	}
	for _, text := range p.Warnings {
		line("**Note:** %s\n", plain(text))
	}
	for _, s := range p.Sections {
		if s.Answer != "" {
			line("- **%s** %s", plain(s.Heading), plain(s.Answer))
		}
	}
	if len(p.Missing) > 0 {
		line("- **Not measured in this run:** %s.", plain(strings.Join(p.Missing, "; ")))
	}
	d.WriteByte('\n')
	for _, s := range p.Sections {
		if len(s.Body) == 0 {
			continue
		}
		// An empty line on either side makes Markdown of what is folded up.
		line("<details>\n<summary>%s</summary>\n", plain(s.Heading))
		for _, b := range s.Body {
			b.markdown(&d)
		}
		line("</details>\n")
	}
	if _, err := io.WriteString(w, strings.TrimRight(d.String(), "\n")+"\n"); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return nil
}

func (t Text) markdown(d *strings.Builder) { d.WriteString(plain(string(t)) + "\n\n") }

func (l List) markdown(d *strings.Builder) {
	for _, point := range l {
		d.WriteString("- " + plain(point) + "\n")
	}
	d.WriteByte('\n')
}

func (c Code) markdown(d *strings.Builder) {
	for text := range strings.SplitSeq(strings.TrimRight(string(c), "\n"), "\n") {
		d.WriteString("    " + text + "\n")
	}
	d.WriteByte('\n')
}

func (t Table) markdown(d *strings.Builder) {
	row := func(cells []string) {
		for i, c := range cells {
			cells[i] = strings.ReplaceAll(plain(c), "|", `\|`)
		}
		d.WriteString("| " + strings.Join(cells, " | ") + " |\n")
	}
	d.WriteString(plain(t.Caption) + "\n\n")
	row(append([]string{}, t.Head...))
	rule := "---:|"
	if t.Words {
		rule = "---|"
	}
	d.WriteString("|---|" + strings.Repeat(rule, len(t.Head)-1) + "\n")
	for _, cells := range t.Rows {
		row(append([]string{}, cells...))
	}
	d.WriteByte('\n')
}

// Plots are for the HTML; the tables beside them hold the same figures.
func (Figures) markdown(*strings.Builder) {}

// plain keeps text from being markup, but for its code, and on one line.
func plain(text string) string {
	pieces := spans(strings.Join(strings.Fields(text), " "))
	for i := range pieces {
		if i%2 == 0 {
			pieces[i] = escape.Replace(pieces[i])
		}
	}
	return strings.Join(pieces, "`")
}

var escape = strings.NewReplacer("&", "&amp;", "<", "&lt;", "*", `\*`, "](", `]\(`)
