package page

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"strings"
)

//go:embed page.html
var layout string

//go:embed style.css
var style string

// HTML writes the page as one file.
func (p Page) HTML(w io.Writer) error {
	figures := 0
	t := template.New("page")
	t.Funcs(template.FuncMap{
		"code":  code,
		"style": func() template.CSS { return template.CSS(style) },
		"part": func(b Block) (template.HTML, error) {
			var out bytes.Buffer
			err := t.ExecuteTemplate(&out, b.kind(), b)
			return template.HTML(out.String()), err
		},
		// A plot escapes what it is given.
		"svg": func(f Figure) template.HTML {
			figures++
			return template.HTML(f.Chart.SVG(fmt.Sprintf("f%d", figures)))
		},
	})
	if _, err := t.Parse(layout); err != nil {
		return fmt.Errorf("read the page's template: %w", err)
	}
	if err := t.Execute(w, p); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

// code makes markup of text: what stands between backquotes becomes code. A backquote without its fellow stays one.
func code(text string) template.HTML {
	var out strings.Builder
	for i, part := range spans(text) {
		part = template.HTMLEscapeString(part)
		if i%2 == 1 {
			part = "<code>" + part + "</code>"
		} else {
			part = strings.ReplaceAll(part, " %", "\u00a0%") // a figure and its sign stay on one line
		}
		out.WriteString(part)
	}
	return template.HTML(out.String())
}

// spans cuts text at its backquotes: every second piece is code. Text whose backquotes do not come in pairs is one piece.
func spans(text string) []string {
	if strings.Count(text, "`")%2 == 1 {
		return []string{text}
	}
	return strings.Split(text, "`")
}
