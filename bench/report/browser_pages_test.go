package report

import (
	_ "embed"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/bench/record"
)

var pictures = flag.String("pictures", "", "directory to save pictures of the pages in, to be looked at")

var testTime = time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC)

// look.js says what is wrong with the page as it is shown.
//
//go:embed testdata/look.js
var look string

// shown is what look.js finds.
type shown struct {
	Wider      int      `json:"wider"`      // pixels by which the page is wider than the window
	Plots      int      `json:"plots"`      // drawings with a size
	Empty      []string `json:"empty"`      // drawings without one, or without a title and description
	Outside    []string `json:"outside"`    // text that reaches out of its drawing
	Overlaps   []string `json:"overlaps"`   // texts of a drawing that cover each other
	Pale       []string `json:"pale"`       // text or marks without enough contrast to their ground
	Structure  []string `json:"structure"`  // headings, tables and links that are not as they should be
	Unscrolled []string `json:"unscrolled"` // tables wider than the page without a box to scroll in
}

// faulty has each fault that look.js looks for.
const faulty = `<!DOCTYPE html><html><head><title>x</title></head><body><h1>a</h1><h1 id="twice" style="color:#bbb">b</h1><p id="twice"><a href="#nowhere">c</a></p>
<div style="width:2000px">wide</div><details open><summary>s</summary><table><tr><th>1</th></tr><tr><td>2</td><td>3</td></tr></table></details>
<table style="width:3000px"><caption>far too wide</caption><tr><td>x</td></tr></table>
<svg viewBox="0 0 100 100" width="200" height="200"><text x="90" y="50">reaches out</text><text x="5" y="20">one</text><text x="6" y="21">two</text><rect class="f" width="9" height="9" fill="#fff"/></svg>
<script>console.log("talks"); fetch("http://127.0.0.1:1/").catch(() => 0)</script></body></html>`

func pages(t *testing.T) map[string]func(io.Writer) error {
	a, b := imagine(world{header: func(h *record.Header) { h.Started = testTime }}), imagine(world{noise: 0.02})
	compared, err := CompareRuns("out/old-kernel", a, "out/new-kernel", b)
	require.NoError(t, err)
	s := showcase(t)
	stopped := imagine(world{})
	stopped.Trials = stopped.Trials[:40]
	inconclusive, err := Summarize(stopped)
	require.NoError(t, err)
	return map[string]func(io.Writer) error{"run": s.HTML, "runs": compared.HTML, "inconclusive": inconclusive.HTML}
}

// TestInChromium looks at the pages as readers do: on paper, on a phone, a tablet and a desk, by day and by night.
func TestInChromium(t *testing.T) {
	b := chromium(t)
	views := []struct {
		width         int
		scheme, media string
	}{
		{720, "light", "print"}, {720, "dark", "print"}, {320, "light", "screen"}, {320, "dark", "screen"}, {768, "light", "screen"},
		{768, "dark", "screen"}, {1280, "light", "screen"}, {1280, "dark", "screen"},
	}
	t.Run("finds faults", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "faulty.html")
		require.NoError(t, os.WriteFile(path, []byte(faulty), 0o644))
		b.show(320, "light", "screen")
		b.open(path)
		var found shown
		b.eval(look, &found)
		require.Positive(t, found.Wider)
		require.Zero(t, found.Plots)
		require.Len(t, found.Empty, 1)
		require.Len(t, found.Outside, 1)
		require.Len(t, found.Overlaps, 1)
		require.Len(t, found.Pale, 2, "the second heading and the white mark")
		require.Len(t, found.Unscrolled, 1)
		require.ElementsMatch(t, found.Structure, []string{"nothing is folded on a screen", "no language", "not one h1", "no viewport", "a script", "an id twice",
			"link to nothing: file://" + path + "#nowhere", "a table without caption", "a th without scope", "rows of different lengths: null"})
		complaints, requests := b.said("file://" + path)
		require.NotEmpty(t, complaints)
		require.Equal(t, []string{"http://127.0.0.1:1/"}, requests)
	})
	for name, write := range pages(t) {
		path := filepath.Join(t.TempDir(), name+".html")
		file, err := os.Create(path)
		require.NoError(t, err)
		require.NoError(t, write(file))
		require.NoError(t, file.Close())
		b.show(views[0].width, views[0].scheme, views[0].media)
		b.open(path)
		for _, view := range views {
			what := fmt.Sprintf("%s-%d-%s-%s", name, view.width, view.scheme, view.media)
			b.show(view.width, view.scheme, view.media)
			if *pictures != "" {
				b.picture(filepath.Join(*pictures, what))
			}
			var found shown
			b.eval(look, &found)
			require.Positive(t, found.Plots, what)
			found.Plots = 0
			require.Equal(t, shown{Empty: []string{}, Outside: []string{}, Overlaps: []string{}, Pale: []string{}, Structure: []string{}, Unscrolled: []string{}}, found, what)
		}
		complaints, requests := b.said("file://" + path)
		require.Empty(t, complaints, name)
		require.Empty(t, requests, "%s: a page must not ask the network for anything", name)
	}
}
