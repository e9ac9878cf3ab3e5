package plot

// Bars compares quantities by bars that lie one below the other and begin at 0.
type Bars struct {
	Title, Desc string
	Unit        string   // of the axis
	Parts       []string // names of what each bar is put together from; none if bars are whole
	Rows        []Bar
}

// Bar is one quantity.
type Bar struct {
	Label string
	Style Style
	Parts []float64 // as many as Bars.Parts, together Value.V; unused if bars are whole
	Value Value
	Text  string // the value in figures, at the bar's end
}

// SVG draws the bars. Of parts, the first is filled and the second hatched.
func (b Bars) SVG(id string) string {
	const thick, pitch = 14.0, 24.0
	var c canvas
	left, right := edge, edge
	reach := 0.0
	for _, r := range b.Rows {
		left, right = max(left, edge+textWidth(r.Label)+6), max(right, edge+textWidth(r.Text)+8)
		reach = max(reach, r.Value.top())
	}
	x := scale{lo: 0, hi: roundUp(reach, 4), a: left, b: width - right}
	bottom := edge + pitch*float64(len(b.Rows))
	for _, t := range x.ticks(3) {
		c.line("g", x.at(t), edge, x.at(t), bottom)
		c.text("m", "middle", x.at(t), bottom+lineSpace-2, short(t))
	}
	for i, r := range b.Rows {
		y := edge + pitch*(float64(i)+0.5)
		c.text("t", "end", left-6, y+fontSize/3, r.Label)
		b.bar(&c, x, r, y-thick/2, thick)
		end := r.Value.V
		if r.Value.Bounded() {
			c.across("w", x.at(r.Value.Lo), x.at(r.Value.Hi), y)
			end = r.Value.top()
		}
		c.text("t o", "start", x.at(end)+6, y+fontSize/3, r.Text)
	}
	c.line("a", left, edge, left, bottom)
	y := bottom + 2*lineSpace - 2
	c.text("m", "middle", (left+width-right)/2, y, b.Unit)
	if len(b.Parts) > 1 {
		y = c.legend([]keyed{
			{func(x, y float64) { c.rect("f", x-7, y-5, 14, 10) }, b.Parts[0]},
			{func(x, y float64) { c.hatched("f", "l", x-7, y-5, 14, 10) }, b.Parts[1]},
		}, y)
	}
	return c.svg(id, b.Title, b.Desc, y+edge+3)
}

func (b Bars) bar(c *canvas, x scale, r Bar, y, thick float64) {
	if len(r.Parts) < 2 {
		c.rect(r.Style.class("f"), x.a, y, x.at(r.Value.V)-x.a, thick)
		return
	}
	middle := x.at(r.Parts[0])
	c.rect(r.Style.class("f"), x.a, y, middle-x.a, thick)
	c.hatched(r.Style.class("p"), r.Style.class("l"), middle, y, x.at(r.Parts[0]+r.Parts[1])-middle, thick)
}

// hatched draws a rectangle that is told from a filled one without colour: an outline with slanting lines in it. A pattern
// of SVG would do, but has an identifier and is lost where styles are.
func (c *canvas) hatched(fill, stroke string, x, y, w, h float64) {
	if w <= 0 {
		return
	}
	if fill != "f" { // not the key of a legend, which has no style
		c.rect(fill, x, y, w, h)
	}
	c.path(stroke, []float64{x, y, x + w, y, x + w, y + h, x, y + h, x, y})
	const gap = 5.0
	for s := gap; s < w+h; s += gap {
		x1, x2 := max(0, s-h), min(w, s)
		c.line(stroke+" n", x+x1, y+s-x1, x+x2, y+s-x2)
	}
}
