package plot

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// element is a shape of a drawing with its attributes and text.
type element struct {
	name string
	at   map[string]string
	text string
}

func (e element) number(t require.TestingT, name string) float64 {
	v, err := strconv.ParseFloat(e.at[name], 64)
	require.NoError(t, err, "%s of %+v", name, e)
	return v
}

func elements(t require.TestingT, svg string) []element {
	var out []element
	d := xml.NewDecoder(strings.NewReader(svg))
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			return out
		}
		require.NoError(t, err, svg)
		switch x := token.(type) {
		case xml.StartElement:
			e := element{name: x.Name.Local, at: map[string]string{}}
			for _, a := range x.Attr {
				e.at[a.Name.Local] = a.Value
			}
			out = append(out, e)
		case xml.CharData:
			if len(out) > 0 {
				out[len(out)-1].text += strings.TrimSpace(string(x))
			}
		}
	}
}

func pick(all []element, name, class string) []element {
	var out []element
	for _, e := range all {
		if e.name == name && strings.HasPrefix(e.at["class"], class) {
			out = append(out, e)
		}
	}
	return out
}

// A bar is as long as its value, from zero, and its interval lies where it should.
func TestBarsAreTrue(t *testing.T) {
	b := Bars{Title: "CPU", Desc: "d", Unit: "ns", Parts: []string{"send", "receive"}, Rows: []Bar{
		{Label: "off", Style: 0, Parts: []float64{600, 400}, Value: Value{1000, 950, 1100}, Text: "1,000"},
		{Label: "on", Style: 2, Parts: []float64{700, 1300}, Value: Value{2000, 1900, 2100}, Text: "2,000"},
	}}
	all := elements(t, b.SVG("x"))
	first, second := pick(all, "rect", "f s0")[0], pick(all, "rect", "f s2")[0]
	zero := first.number(t, "x")
	require.Equal(t, zero, second.number(t, "x"))
	unit := first.number(t, "width") / 600
	require.InDelta(t, 700*unit, second.number(t, "width"), 0.2)
	hatched := pick(all, "rect", "p s2")[0]
	require.InDelta(t, zero+700*unit, hatched.number(t, "x"), 0.2)
	require.InDelta(t, 1300*unit, hatched.number(t, "width"), 0.2)
	whiskers := pick(all, "line", "w")
	require.Len(t, whiskers, 6)
	require.InDelta(t, zero+950*unit, whiskers[0].number(t, "x1"), 0.2)
	require.InDelta(t, zero+1100*unit, whiskers[0].number(t, "x2"), 0.2)
	require.Equal(t, "0", pick(all, "text", "m")[0].text)
	require.Equal(t, "x-t x-d", all[0].at["aria-labelledby"])
}

func TestEffectsAreTrue(t *testing.T) {
	e := Effects{Title: "t", Desc: "d", Unit: "%", Band: 2, Rows: []Effect{
		{Label: "on", Style: 2, Value: Value{26, 25, 28}, Text: "+26 %"}, {Label: "cure", Style: 0, Value: Value{-10, -12, -9}},
	}}
	all := elements(t, e.SVG("x"))
	zero := pick(all, "line", "a")[0].number(t, "x1")
	band := pick(all, "rect", "b")[0]
	require.InDelta(t, zero, band.number(t, "x")+band.number(t, "width")/2, 0.2)
	unit := band.number(t, "width") / 4
	span := pick(all, "line", "l s2")[0]
	require.InDelta(t, zero+25*unit, span.number(t, "x1"), 0.3)
	require.InDelta(t, zero+28*unit, span.number(t, "x2"), 0.3)
	require.InDelta(t, zero-10*unit, pick(all, "circle", "f s0")[0].number(t, "cx"), 0.3)
}

func TestLinesAreTrue(t *testing.T) {
	l := Lines{Title: "t", Desc: "d", X: "s", Y: "entries", Limits: []Mark{{At: 100, Name: "limit 100"}}, Events: []Mark{{At: 4, Name: "full"}},
		Series: []Series{{Name: "a", Points: []Point{{X: 2, Value: Value{V: 50}}, {X: 8, Value: Value{100, 90, 100}}}}}}
	all := elements(t, l.SVG("x"))
	limit := pick(all, "line", "a d")[0].number(t, "y1")
	bottom := pick(all, "line", "a")[2].number(t, "y1")
	for _, e := range pick(all, "line", "a") {
		bottom = max(bottom, e.number(t, "y1"))
	}
	points := pick(all, "circle", "f s0")
	require.InDelta(t, limit, points[1].number(t, "cy"), 0.2)
	require.InDelta(t, (limit+bottom)/2, points[0].number(t, "cy"), 0.2)
	require.InDelta(t, (2*points[0].number(t, "cx")+points[1].number(t, "cx"))/3, pick(all, "line", "a e")[0].number(t, "x1"), 0.2)

	// A logarithm goes down to what the values need, and powers are as far apart as each other.
	l = Lines{Title: "t", Desc: "d", Log: true, Categories: []string{"p50", "p99", "p99.9"},
		Series: []Series{{Points: []Point{{0, Value{V: 10}}, {1, Value{V: 100}}, {2, Value{V: 1000}}}}}}
	points = pick(elements(t, l.SVG("x")), "circle", "f s0")
	require.InDelta(t, points[0].number(t, "cy")-points[1].number(t, "cy"), points[1].number(t, "cy")-points[2].number(t, "cy"), 0.2)
}

func TestTicks(t *testing.T) {
	for _, c := range []struct {
		s    scale
		n    int
		want []float64
	}{
		{scale{lo: 0, hi: 6000}, 3, []float64{0, 2000, 4000, 6000}},
		{scale{lo: -5, hi: 12}, 4, []float64{-5, 0, 5, 10}},
		{scale{lo: 0, hi: 0}, 3, []float64{0}},
		{scale{lo: 20, hi: 500, log: true}, 5, []float64{20, 50, 100, 200, 500}},
		{scale{lo: 1, hi: 1e6, log: true}, 7, []float64{1, 10, 100, 1000, 1e4, 1e5, 1e6}},
	} {
		require.InDeltaSlice(t, c.want, c.s.ticks(c.n), 1e-6)
	}
	for v, want := range map[float64]string{0: "0", 9999: "9999", 50_000: "50k", 262_500: "262.5k", 2e6: "2M", 0.5: "0.5", -20: "-20"} {
		require.Equal(t, want, short(v))
	}
	require.Equal(t, "+20", signedShort(20))
	require.Equal(t, "−20", signedShort(-20))
	lo, hi := spread(23, 480)
	require.Equal(t, []float64{20, 500}, []float64{lo, hi})
	lo, hi = spread(23, 4800)
	require.Equal(t, []float64{10, 10_000}, []float64{lo, hi})
}

// Whatever is drawn, it is well-formed and every shape lies inside. Widths of text are the browser's to judge.
func TestEverythingIsInside(t *testing.T) {
	number := rapid.Float64Range(0, 1e7)
	rapid.Check(t, func(t *rapid.T) {
		value := func() Value {
			v := number.Draw(t, "v")
			return Value{v, v * rapid.Float64Range(0.5, 1).Draw(t, "lo"), v * rapid.Float64Range(1, 2).Draw(t, "hi")}
		}
		var bars Bars
		effects, lines := Effects{Band: rapid.Float64Range(0, 5).Draw(t, "band")}, Lines{Log: rapid.Bool().Draw(t, "log")}
		for i := range rapid.IntRange(0, 7).Draw(t, "rows") {
			v := value()
			bars.Rows = append(bars.Rows, Bar{Label: "<arm>", Style: Style(i), Value: v, Text: short(v.V), Parts: []float64{v.V / 3, v.V / 3 * 2}})
			effects.Rows = append(effects.Rows, Effect{Label: "on", Style: Style(i), Value: Value{v.V - 5e6, v.Lo - 5e6, v.Hi - 5e6}})
			lines.Series = append(lines.Series, Series{Name: "a & b", Style: Style(i), Points: []Point{{0, value()}, {float64(i), value()}}})
		}
		for i, chart := range []Chart{bars, effects, lines} {
			svg := chart.SVG(fmt.Sprint("f", i))
			require.NotContains(t, svg, "NaN")
			require.NotContains(t, svg, "Inf")
			all := elements(t, svg)
			var w, h float64
			_, err := fmt.Sscanf(all[0].at["viewBox"], "0 0 %g %g", &w, &h)
			require.NoError(t, err)
			for _, e := range all {
				for _, name := range []string{"x", "x1", "x2", "cx"} {
					if e.at[name] != "" {
						x := e.number(t, name)
						require.True(t, x >= -0.05 && x <= w+0.05 && !math.IsNaN(x), "%+v in %s", e, svg)
					}
				}
				for _, name := range []string{"y", "y1", "y2", "cy"} {
					if e.at[name] != "" {
						require.True(t, e.number(t, name) >= -0.05 && e.number(t, name) <= h+0.05, "%+v", e)
					}
				}
			}
		}
	})
}
