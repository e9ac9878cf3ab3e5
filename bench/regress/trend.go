package regress

import (
	"cmp"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"
)

// Trend writes a page about a history: for every timing, by how much each run's head was slower than its base, as a line
// with intervals. It is one file that needs nothing else. Ratios compare across machines, nanoseconds do not; so it is
// the ratios that are drawn, and the figures stand in the table below.
func Trend(w io.Writer, entries []Entry) error {
	entries = slices.Clone(entries)
	slices.SortStableFunc(entries, func(a, b Entry) int { return a.Time.Compare(b.Time) })
	page := trendPage{Runs: len(entries)}
	at := map[string]int{}
	for i, e := range entries {
		for _, p := range e.Metrics {
			if p.Ratio.N == 0 {
				continue // nothing was measured, which is not the same as no change
			}
			key := p.Name + "\x00" + p.Unit
			k, ok := at[key]
			if !ok {
				k = len(page.Charts)
				at[key] = k
				page.Charts = append(page.Charts, chart{Name: p.Name, Unit: p.Unit})
			}
			page.Charts[k].points = append(page.Charts[k].points, chartPoint{run: i, entry: e, point: p})
		}
		if len(e.Broken) > 0 {
			page.Broken = append(page.Broken, fmt.Sprintf("%s %s: %s", e.Time.Format("2006-01-02 15:04"), e.Head, strings.Join(e.Broken, ", ")))
		}
	}
	slices.SortFunc(page.Charts, func(a, b chart) int { return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Unit, b.Unit)) })
	for i := range page.Charts {
		page.Charts[i].draw(len(entries))
	}
	if err := trendTemplate.Execute(w, page); err != nil {
		return fmt.Errorf("write page: %w", err)
	}
	return nil
}

type trendPage struct {
	Runs   int
	Charts []chart
	Broken []string
}

type chartPoint struct {
	run   int
	entry Entry
	point Point
}

// chart is a timing's line, with coordinates in the drawing's units.
type chart struct {
	Name, Unit string
	points     []chartPoint

	Zero, Top, Bottom   string // y of no change, and labels of the ends
	Line                string // points of the polyline
	Marks               []mark
	Width, Height, Left int
}

// mark is a run on the chart and in its table.
type mark struct {
	X, Y, Hi, Lo                          string
	Class                                 string
	Time, Head, Base, Change, Was, Is, Of string
}

// Sizes of a chart.
const (
	chartWidth  = 720
	chartHeight = 160
	chartLeft   = 56
	chartRight  = 12
	chartMargin = 10
	leastReach  = 0.05 // as a share: a flat line must not be magnified into mountains
)

// draw lays the chart out. Up is worse. The scale is that of log ratios, symmetric about no change.
func (c *chart) draw(runs int) {
	c.Width, c.Height, c.Left = chartWidth, chartHeight, chartLeft
	reach := math.Log1p(leastReach)
	for _, p := range c.points {
		for _, v := range []float64{p.point.Ratio.Lo, p.point.Ratio.Hi} {
			if v > 0 {
				reach = max(reach, math.Abs(math.Log(v)))
			}
		}
	}
	y := func(ratio float64) string {
		if !(ratio > 0) {
			ratio = 1
		}
		middle := float64(chartHeight) / 2
		return coordinate(middle - math.Log(ratio)/reach*(middle-chartMargin))
	}
	x := func(run int) string {
		if runs < 2 {
			return coordinate(chartLeft + (chartWidth-chartLeft-chartRight)/2)
		}
		return coordinate(chartLeft + chartMargin + float64(run)*(chartWidth-chartLeft-chartRight-2*chartMargin)/float64(runs-1))
	}
	c.Zero, c.Top, c.Bottom = y(1), fmt.Sprintf("%+.0f %%", 100*math.Expm1(reach)), fmt.Sprintf("%+.0f %%", 100*math.Expm1(-reach))
	var line []string
	for _, p := range c.points {
		r := p.point.Ratio
		line = append(line, x(p.run)+","+y(r.Median))
		c.Marks = append(c.Marks, mark{
			X: x(p.run), Y: y(r.Median), Hi: y(r.Hi), Lo: y(r.Lo), Class: strings.ReplaceAll(string(p.point.Verdict), " ", "-"),
			Time: p.entry.Time.UTC().Format("2006-01-02 15:04"), Head: p.entry.Head.String(), Base: p.entry.Base.String(),
			Change: change(r), Was: figure(p.point.Base), Is: figure(p.point.Head), Of: string(p.point.Verdict),
		})
	}
	c.Line = strings.Join(line, " ")
}

func coordinate(v float64) string { return fmt.Sprintf("%.1f", v) }

var trendTemplate = template.Must(template.New("trend").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Performance over time</title>
<style>
:root { color-scheme: light dark; --line: #3465a4; --grey: #888; }
body { font: 15px/1.4 system-ui, sans-serif; max-width: 60em; margin: 2em auto; padding: 0 1em; }
h2 { font-size: 1.1em; margin: 1.6em 0 .3em; }
svg { width: 100%; height: auto; }
svg text { font-size: 11px; fill: var(--grey); }
.axis { stroke: var(--grey); stroke-dasharray: 3 3; }
.line { fill: none; stroke: var(--line); stroke-width: 1.5; }
.bar { stroke: var(--line); stroke-width: 1; opacity: .5; }
.dot { fill: var(--line); }
.regression { fill: #c00; stroke: #c00; }
.improvement { fill: #2a8a2a; stroke: #2a8a2a; }
.inconclusive { fill: var(--grey); stroke: var(--grey); }
table { border-collapse: collapse; font-size: .9em; }
td, th { padding: .15em .7em .15em 0; text-align: left; vertical-align: top; }
</style>
</head>
<body>
<h1>Performance over time</h1>
<p>{{.Runs}} runs, oldest to the left. Each is a comparison of a head with its base on one machine; up is slower, with the
interval of each. This page shows where to look; it decides nothing.</p>
{{if .Broken}}<h2>Broken gates</h2><ul>{{range .Broken}}<li>{{.}}</li>{{end}}</ul>{{end}}
{{range .Charts}}<h2>{{.Name}}, {{.Unit}}</h2>
<svg viewBox="0 0 {{.Width}} {{.Height}}" role="img" aria-label="{{.Name}} over time">
<text x="0" y="14">{{.Top}}</text><text x="0" y="{{.Zero}}">no change</text><text x="0" y="{{.Height}}" dy="-6">{{.Bottom}}</text>
<line class="axis" x1="{{.Left}}" x2="{{.Width}}" y1="{{.Zero}}" y2="{{.Zero}}"/>
<polyline class="line" points="{{.Line}}"/>
{{range .Marks}}<g class="{{.Class}}"><title>{{.Time}} {{.Head}}: {{.Change}}, {{.Of}}</title><line class="bar {{.Class}}" x1="{{.X}}" x2="{{.X}}" y1="{{.Lo}}" y2="{{.Hi}}"/><circle class="dot {{.Class}}" cx="{{.X}}" cy="{{.Y}}" r="3"/></g>
{{end}}</svg>
<details><summary>{{len .Marks}} runs</summary><table>
<tr><th>time</th><th>head</th><th>base</th><th>was</th><th>is</th><th>slower by</th><th>verdict</th></tr>
{{range .Marks}}<tr><td>{{.Time}}</td><td>{{.Head}}</td><td>{{.Base}}</td><td>{{.Was}}</td><td>{{.Is}}</td><td>{{.Change}}</td><td>{{.Of}}</td></tr>
{{end}}</table></details>
{{end}}</body>
</html>
`))
