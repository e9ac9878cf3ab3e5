package plot

import "fmt"

// Lines shows series of values over a quantity or over categories.
type Lines struct {
	Title, Desc string
	X, Y        string   // what the axes show, with the unit
	Categories  []string // of the x axis, from left to right; a point's X is then an index. None: X is a number from 0 on
	Log         bool     // the y axis
	Top         float64  // of the y axis, if it is given by what is shown, such as 100 %
	Series      []Series
	Limits      []Mark // values of y to mark by a line across
	Events      []Mark // values of x to mark by an upright line, numbered; the legend names them
}

// Series is what one line joins.
type Series struct {
	Name   string
	Style  Style
	Points []Point
	Bare   bool // no markers: there are too many points to tell them apart
}

// Point is a value at X.
type Point struct {
	X float64
	Value
}

// Mark is a value to be pointed at.
type Mark struct {
	At   float64
	Name string
}

const plotHeight = 150.0

// SVG draws the lines.
func (l Lines) SVG(id string) string {
	var c canvas
	x, y := l.axes(&c)
	for _, m := range l.Limits {
		c.line("a d", x.a, y.at(m.At), x.b, y.at(m.At))
		c.text("t o", "end", x.b, y.at(m.At)-4, m.Name)
	}
	var keys []keyed
	for i, m := range l.Events {
		c.line("a e", x.at(m.At), y.b, x.at(m.At), y.a)
		name := fmt.Sprint(i + 1)
		c.text("t o", "middle", x.at(m.At), y.b-3, name)
		keys = append(keys, keyed{func(x, y float64) { c.text("t", "middle", x, y+fontSize/3, name) }, m.Name})
	}
	for i, s := range l.Series {
		l.series(&c, s, i, x, y)
		keys = append(keys, keyed{func(x, y float64) {
			c.line(s.Style.class("l k"), x-8, y, x+8, y)
			if !s.Bare {
				c.marker(s.Style, x, y)
			}
		}, s.Name})
	}
	bottom := y.a + 2*lineSpace - 2
	c.text("m", "middle", (x.a+x.b)/2, bottom, l.X)
	bottom = c.legend(keys, bottom)
	return c.svg(id, l.Title, l.Desc, bottom+edge+3)
}

// axes draws both and returns their scales. The y axis has its name above it, where there is room for words.
func (l Lines) axes(c *canvas) (x, y scale) {
	xTop := 0.0
	yLow, yTop := 0.0, l.Top
	first := true
	for _, s := range l.Series {
		for _, p := range s.Points {
			xTop, yTop = max(xTop, p.X), max(yTop, p.top())
			if low := p.bottom(); low > 0 && (first || low < yLow) {
				yLow, first = low, false
			}
		}
	}
	for _, m := range l.Limits {
		yTop = max(yTop, m.At)
	}
	top := edge + 2*lineSpace
	y = scale{a: top + plotHeight, b: top, log: l.Log}
	switch {
	case l.Log:
		y.lo, y.hi = spread(yLow, yTop)
	case l.Top > 0:
		y.hi = yTop
	default:
		y.hi = roundUp(yTop*1.02, 4) // a limit's name has room above its line
	}
	ticks := y.ticks(5)
	left := edge
	for _, t := range ticks {
		left = max(left, edge+textWidth(short(t))+5)
	}
	x = scale{a: left, b: width - edge - 10, hi: max(xTop, 1e-9)}
	if n := float64(len(l.Categories)); n > 0 {
		x.lo, x.hi = -0.5, n-0.5
	}
	c.text("m", "start", edge, edge+fontSize, l.Y)
	for _, t := range ticks {
		c.line("g", x.a, y.at(t), x.b, y.at(t))
		c.text("m", "end", x.a-5, y.at(t)+fontSize/3, short(t))
	}
	c.line("a", x.a, y.a, x.b, y.a)
	if len(l.Categories) == 0 {
		for _, t := range x.ticks(5) {
			c.line("a", x.at(t), y.a, x.at(t), y.a+3)
			c.text("m", "middle", x.at(t), y.a+lineSpace-1, short(t))
		}
	}
	for i, name := range l.Categories {
		c.text("m", "middle", x.at(float64(i)), y.a+lineSpace-1, name)
	}
	return x, y
}

// series draws one line. Over categories, the series stand beside each other, so that their intervals can be seen.
func (l Lines) series(c *canvas, s Series, i int, x, y scale) {
	shift := 0.0
	if len(l.Categories) > 0 {
		shift = 7 * (float64(i) - float64(len(l.Series)-1)/2)
	}
	var xy []float64
	for _, p := range s.Points {
		xy = append(xy, x.at(p.X)+shift, y.at(p.V))
	}
	if len(xy) > 2 {
		c.path(s.Style.class("l k"), xy)
	}
	for j, p := range s.Points {
		if p.Bounded() {
			c.upright(s.Style.class("l"), xy[2*j], y.at(p.Lo), y.at(p.Hi))
		}
		if !s.Bare {
			c.marker(s.Style, xy[2*j], xy[2*j+1])
		}
	}
}
