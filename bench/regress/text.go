package regress

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"

	"supernode/bench/report"
	"supernode/bench/stat"
)

// Escape sequences of ECMA-48, section 8.3.117.
var colours = map[Verdict]string{Regression: "\x1b[31m", Improvement: "\x1b[32m", Inconclusive: "\x1b[33m"}

const plain = "\x1b[0m"

func paint(v Verdict, text string, on bool) string {
	if c := colours[v]; on && c != "" {
		return c + text + plain
	}
	return text
}

// Table writes what a person at a terminal wants to know, with escape sequences only if colour is true.
func (r *Result) Table(w io.Writer, colour bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "base %s\nhead %s\n\n", r.Base, r.Head)
	broken := r.Broken()
	for _, g := range broken {
		b.WriteString(paint(Regression, "broken gate", colour) + ": " + g.Why + "\n")
	}
	fmt.Fprintf(&b, "gates: %d of %d hold\n", len(r.Gates)-len(broken), len(r.Gates))
	if len(r.Decisions) > 0 {
		b.WriteByte('\n')
		t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
		fmt.Fprintln(t, "timing\tunit\tbase\thead\tslower by [interval]\tbase against base\tverdict")
		for _, d := range r.Decisions {
			fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", d.Name, d.Unit, figure(d.Base), figure(d.Head),
				change(d.Ratio), interval(d.Control), paint(d.Verdict, d.said(), colour))
		}
		if err := t.Flush(); err != nil {
			return err
		}
	}
	for _, n := range r.NotCompared {
		fmt.Fprintf(&b, "not compared: %s\n", n)
	}
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "note: %s\n", n)
	}
	b.WriteString("\n" + paint(r.Verdict, r.Sentence(), colour) + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// said is the verdict with its reason.
func (d Decision) said() string {
	text := string(d.Verdict)
	if d.Why != "" {
		text += ": " + d.Why
	}
	if d.Runs > 1 {
		text += " (two runs)"
	}
	return text
}

// String is the revision's name, commit and title.
func (s Side) String() string {
	parts := []string{s.Name}
	if short := s.Commit[:min(12, len(s.Commit))]; short != "" && !strings.HasPrefix(s.Commit, s.Name) {
		parts = append(parts, "("+short+")")
	} else if short != "" {
		parts = []string{short}
	}
	if s.Title != "" {
		parts = append(parts, s.Title)
	}
	return strings.Join(parts, " ")
}

// figure has four digits that count, and none made up of zeros.
func figure(x float64) string {
	if x == 0 || math.IsNaN(x) {
		return "–"
	}
	if x >= 1000 {
		return report.Group(x)
	}
	return strconv.FormatFloat(x, 'g', 4, 64)
}

// change is a ratio as a person says it: +2.1 % [+1.0, +3.2].
func change(e stat.Estimate) string {
	if e.N == 0 {
		return "–"
	}
	return fmt.Sprintf("%+.1f %% %s", percent(e.Median), interval(e))
}

func interval(e stat.Estimate) string {
	if e.N == 0 {
		return "–"
	}
	return fmt.Sprintf("[%+.1f, %+.1f]", percent(e.Lo), percent(e.Hi))
}

// percent is by how much a ratio differs from 1; a zero has no minus sign.
func percent(ratio float64) float64 {
	if p := 100 * (ratio - 1); math.Abs(p) >= 0.05 {
		return p
	}
	return 0
}

// Markdown writes the report: the answer first, what needs attention open, the rest folded away.
func (r *Result) Markdown(w io.Writer) error {
	var d report.Document
	d.Linef("# Performance: %s", r.Verdict)
	d.Line("")
	d.Linef("%s.", r.Sentence())
	d.Line("")
	d.Linef("- base: %s", escape(r.Base.String()))
	d.Linef("- head: %s", escape(r.Head.String()))
	d.Linef("- a regression is a slow-down whose whole %.0f %% interval lies above %.3g %%, and its middle beyond what base shows against itself, by a rank test (p ≤ %.2g) and in a second run too",
		100*r.Rules.Confidence, 100*r.Rules.Limit, r.Rules.Alpha)
	if r.Advisory {
		d.Line("- advisory: only gates decide the exit status")
	}
	d.Line("")
	for _, g := range r.Broken() {
		d.Linef("**Broken gate:** %s", escape(g.Why))
		d.Line("")
	}
	for _, v := range []Verdict{Regression, Improvement, Inconclusive} {
		if some := r.With(v); len(some) > 0 {
			d.Linef("## %s%s", strings.ToUpper(string(v)[:1]), string(v)[1:])
			d.Line("")
			decisionTable(&d, some)
		}
	}
	if len(r.NotCompared)+len(r.Notes) > 0 {
		d.Line("## Notes")
		d.Line("")
		for _, n := range r.NotCompared {
			d.Linef("- not compared: %s", escape(n))
		}
		for _, n := range r.Notes {
			d.Linef("- %s", escape(n))
		}
		d.Line("")
	}
	r.details(&d)
	_, err := io.WriteString(w, d.String())
	return err
}

// details are the tables of everything, folded away.
func (r *Result) details(d *report.Document) {
	fold := func(title string, table func()) {
		d.Linef("<details><summary>%s</summary>", title)
		d.Line("")
		table()
		d.Line("</details>")
		d.Line("")
	}
	if len(r.Gates) > 0 {
		fold(fmt.Sprintf("All %d gates", len(r.Gates)), func() {
			var rows [][]string
			for _, g := range r.Gates {
				holds := "holds"
				if g.Broken {
					holds = "**broken**"
				}
				rows = append(rows, []string{escape(g.Name), g.Unit, exact(g.Base), exact(g.Head), g.Limit, holds})
			}
			d.Table([]string{"gate", "unit", "base", "head", "limit", ""}, rows)
		})
	}
	if len(r.Decisions) > 0 {
		fold(fmt.Sprintf("All %d timings", len(r.Decisions)), func() { decisionTable(d, r.Decisions) })
	}
	var beside [][]string
	for _, x := range r.Decisions {
		if x.Null > 0 {
			beside = append(beside, []string{escape(x.Name), x.Unit, figure(x.Null), fmt.Sprintf("%.2f", x.Base/x.Null), fmt.Sprintf("%.2f", x.Head/x.Null)})
		}
	}
	if len(beside) > 0 {
		fold("Beside a server that only answers", func() {
			d.Table([]string{"timing", "unit", "null responder", "base/null", "head/null"}, beside)
		})
	}
	fold("The run", func() {
		d.Linef("- started %s, took %.0f s", r.Started.UTC().Format("2006-01-02 15:04:05 UTC"), r.Seconds)
		d.Linef("- machine: %s", escape(r.Machine))
		d.Linef("- command: `%s`", strings.ReplaceAll(strings.Join(r.Command, " "), "`", "'"))
		d.Linef("- all figures: %s; benchstat %s %s", ResultFile, BaseFile, HeadFile)
		d.Line("")
	})
}

func decisionTable(d *report.Document, some []Decision) {
	var rows [][]string
	for _, x := range some {
		rows = append(rows, []string{escape(x.Name), x.Unit, figure(x.Base), figure(x.Head), change(x.Ratio), interval(x.Control),
			strconv.Itoa(x.Ratio.N), fmt.Sprintf("%.2g", x.P), rough(x), escape(x.said())})
	}
	d.Table([]string{"timing", "unit", "base", "head", "slower by, % [interval]", "base against base, %", "pairs", "p", "p, unpaired", "verdict"}, rows)
}

func rough(d Decision) string {
	if d.Kind != KindInProcess {
		return ""
	}
	return fmt.Sprintf("%.2g", d.Rough)
}

// exact is a gate's figure.
func exact(x float64) string { return strconv.FormatFloat(x, 'f', -1, 64) }

// escape keeps a commit's title from being Markdown or HTML.
func escape(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", "|", "\\|", "*", "\\*", "_", "\\_", "`", "\\`", "[", "\\[", "\n", " ").Replace(text)
}
