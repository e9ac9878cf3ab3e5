package plot

import "math"

// Effects shows changes against a base, in per cent or any other unit, each with its interval: what crosses the line at 0
// has not been shown. Band is how far the control reaches to either side: what ends within it is noise.
type Effects struct {
	Title, Desc string
	Unit        string
	Band        float64
	Rows        []Effect
}

// Effect is one change.
type Effect struct {
	Label string
	Style Style
	Value Value
	Text  string // beside the label
}

// SVG draws the effects. The words stand above each interval, as they are longer than a phone is wide.
func (e Effects) SVG(id string) string {
	const pitch = 34.0
	var c canvas
	lo, hi := -e.Band, e.Band
	for _, r := range e.Rows {
		lo, hi = min(lo, r.Value.bottom()), max(hi, r.Value.top())
	}
	lo, hi = min(lo, 0), max(hi, 0)
	step := roundStep(max(hi-lo, 0.1) / 4)
	x := scale{lo: math.Floor(lo/step) * step, hi: math.Ceil(hi/step) * step, a: edge + 16, b: width - edge - 16}
	bottom := edge + pitch*float64(len(e.Rows)) + 4
	if e.Band > 0 {
		c.rect("b", x.at(-e.Band), edge, x.at(e.Band)-x.at(-e.Band), bottom-edge)
	}
	for _, t := range x.ticks(4) {
		class := "g"
		if math.Abs(t) < step/2 {
			class = "a"
		}
		c.line(class, x.at(t), edge, x.at(t), bottom)
		c.text("m", "middle", x.at(t), bottom+lineSpace-2, signedShort(t))
	}
	for i, r := range e.Rows {
		y := edge + pitch*float64(i) + 24
		c.text("t o", "start", edge, y-11, r.Label)
		c.text("t o", "end", width-edge, y-11, r.Text)
		if r.Value.Bounded() {
			c.across(r.Style.class("l"), x.at(r.Value.Lo), x.at(r.Value.Hi), y)
		}
		c.marker(r.Style, x.at(r.Value.V), y)
	}
	y := bottom + 2*lineSpace - 2
	c.text("m", "middle", width/2, y, e.Unit)
	if e.Band > 0 {
		y = c.legend([]keyed{{func(x, y float64) { c.rect("b", x-7, y-5, 14, 10) }, "what the control allows: noise"}}, y)
	}
	return c.svg(id, e.Title, e.Desc, y+edge+3)
}

func signedShort(v float64) string {
	if short(v) == "-0" || short(v) == "0" {
		return "0"
	}
	if v > 0 {
		return "+" + short(v)
	}
	return "−" + short(-v)
}
