package page

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"supernode/bench/report/plot"
)

func of(text string) Page {
	bars := plot.Bars{Title: text, Desc: text, Unit: text, Rows: []plot.Bar{{Label: text, Value: plot.Value{V: 1}, Text: text}}}
	return Page{
		Title: text, Lead: text, Warnings: []string{text}, Missing: []string{text},
		Sections: []Section{{ID: "one", Heading: text, Tag: text, Answer: text, Body: []Block{
			Text(text), List{text}, Code(text), Figures{{Caption: text, Chart: bars}},
			Table{Caption: text, Head: []string{text, text}, Rows: [][]string{{text, text}}},
			Table{Caption: text, Head: []string{text}, Rows: [][]string{{text}}, Words: true, Folded: true},
		}}},
	}
}

func written(t require.TestingT, write func(io.Writer) error) string {
	var b bytes.Buffer
	require.NoError(t, write(&b))
	return b.String()
}

// tags counts the elements of a page, which must be closed in order.
func tags(t require.TestingT, html string) map[string]int {
	d := xml.NewDecoder(strings.NewReader(html))
	found := map[string]int{}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return found
		}
		require.NoError(t, err)
		if e, ok := token.(xml.StartElement); ok {
			found[e.Name.Local]++
		}
	}
}

// Whatever a kernel, a machine or a command line says: it is text.
func TestTextIsNeverMarkup(t *testing.T) {
	plain := tags(t, written(t, of("plain").HTML))
	hostile := rapid.Custom(func(t *rapid.T) string {
		return "x" + strings.Join(rapid.SliceOfN(rapid.SampledFrom([]string{
			"<script>alert(1)</script>", "</style>", "</title>", "</svg>", "<!--", `" onload="x`, "'", "&amp;", "&", "]]>", "|", "[a](javascript:x)", "a b", "\n", "{{.}}", "-->",
		}), 1, 5).Draw(t, "parts"), "")
	})
	rapid.Check(t, func(t *rapid.T) {
		text := hostile.Draw(t, "text")
		html := written(t, of(text).HTML)
		require.Equal(t, plain, tags(t, html))
		require.NotContains(t, html, "<script")

		md := written(t, of(text).Markdown)
		outside := strings.ReplaceAll(md, "\n    "+strings.ReplaceAll(strings.TrimRight(text, "\n"), "\n", "\n    "), "") // code stands as it is
		require.NotContains(t, outside, "<script")
		require.NotContains(t, outside, "](j")
		for line := range strings.SplitSeq(outside, "\n") {
			if strings.HasPrefix(line, "| ") && !strings.HasPrefix(line, "|---") {
				require.Contains(t, []int{2, 3}, strings.Count(strings.ReplaceAll(line, `\|`, ""), "|"), line)
			}
		}
	})
}

func TestHTML(t *testing.T) {
	html := written(t, of("`a<b` is 5 %").HTML)
	require.Contains(t, html, "<code>a&lt;b</code> is 5\u00a0%")
	require.Contains(t, html, `<html lang="en">`)
	require.Contains(t, html, "default-src 'none'")
	require.Contains(t, html, "prefers-color-scheme: dark")
	require.NotContains(t, strings.ReplaceAll(html, `xmlns="http://www.w3.org/2000/svg"`, ""), "http:")
	require.Equal(t, 1, strings.Count(html, "<details>"))
	require.Contains(t, written(t, of("one ` only").HTML), "one ` only")
	require.ErrorIs(t, of("x").HTML(failing{}), io.ErrShortWrite)
	require.ErrorIs(t, of("x").Markdown(failing{}), io.ErrShortWrite)
}

type failing struct{}

func (failing) Write([]byte) (int, error) { return 0, io.ErrShortWrite }

func TestMarkdown(t *testing.T) {
	p := Page{Title: "What?", Lead: "So.", Warnings: []string{"careful"}, Missing: []string{"this", "that"}, Sections: []Section{
		{ID: "a", Heading: "Does it?", Answer: "It does: `a|b` < 2.", Body: []Block{
			Text("Words."), List{"one", "two"}, Code("x\ny\n"), Figures{{Caption: "not here"}},
			Table{Caption: "All", Head: []string{"arm", "ns"}, Rows: [][]string{{"`a|b`", "1"}}},
		}},
		{ID: "b", Heading: "Without a body?", Answer: "Yes."},
	}}
	require.Equal(t, `# What?

> So.

**Note:** careful

- **Does it?** It does: `+"`a|b`"+` &lt; 2.
- **Without a body?** Yes.
- **Not measured in this run:** this; that.

<details>
<summary>Does it?</summary>

Words.

- one
- two

    x
    y

All

| arm | ns |
|---|---:|
| `+"`a\\|b`"+` | 1 |

</details>
`, written(t, p.Markdown))
}
