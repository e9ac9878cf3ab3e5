package plot

import (
	"fmt"
	"html"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Sizes in units of the drawing.
const (
	width     = 320.0
	fontSize  = 11.0
	glyph     = 6.9 // of a character of average width, generously: the page's font is the reader's
	lineSpace = 15.0
	edge      = 4.0 // kept free at all sides
)

// canvas is a drawing being made. Its height is known last, so the head is written last.
type canvas struct{ body strings.Builder }

// svg gives the drawing a head and its words for those who do not see it.
func (c *canvas) svg(id, title, desc string, height float64) string {
	return fmt.Sprintf(`<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" role="img" aria-labelledby="%s-t %s-d">`+
		"\n<title id=\"%s-t\">%s</title>\n<desc id=\"%s-d\">%s</desc>\n%s</svg>\n",
		num(width), num(height), id, id, id, html.EscapeString(title), id, html.EscapeString(desc), c.body.String())
}

// num writes a coordinate with as many decimals as can be seen.
func num(x float64) string {
	text := strconv.FormatFloat(x, 'f', 1, 64)
	if text == "-0.0" {
		return "0"
	}
	return strings.TrimSuffix(text, ".0")
}

func (c *canvas) line(class string, x1, y1, x2, y2 float64) {
	fmt.Fprintf(&c.body, "<line class=%q x1=%q y1=%q x2=%q y2=%q/>\n", class, num(x1), num(y1), num(x2), num(y2))
}

func (c *canvas) rect(class string, x, y, w, h float64) {
	fmt.Fprintf(&c.body, "<rect class=%q x=%q y=%q width=%q height=%q/>\n", class, num(x), num(y), num(max(0, w)), num(h))
}

// text puts words at x, y, the base line; anchor is start, middle or end.
func (c *canvas) text(class, anchor string, x, y float64, words string) {
	fmt.Fprintf(&c.body, "<text class=%q text-anchor=%q x=%q y=%q>%s</text>\n", class, anchor, num(x), num(y), html.EscapeString(words))
}

// path draws straight lines through points, coordinates alternating.
func (c *canvas) path(class string, xy []float64) {
	var d strings.Builder
	for i := 0; i+1 < len(xy); i += 2 {
		op := "L"
		if i == 0 {
			op = "M"
		}
		d.WriteString(op + num(xy[i]) + " " + num(xy[i+1]))
	}
	fmt.Fprintf(&c.body, "<path class=%q d=%q/>\n", class, d.String())
}

// textWidth is how much room words need at most.
func textWidth(words string) float64 { return glyph * float64(utf8.RuneCountInString(words)) }

// class is what the style sheet knows a style by, with further classes before it.
func (s Style) class(more string) string { return fmt.Sprintf("%s s%d", more, int(s)%Styles) }

// marker draws the style's shape around x, y.
func (c *canvas) marker(s Style, x, y float64) {
	const r = 4.0
	switch int(s) % Styles {
	case 0:
		fmt.Fprintf(&c.body, "<circle class=%q cx=%q cy=%q r=%q/>\n", s.class("f"), num(x), num(y), num(r))
	case 1:
		fmt.Fprintf(&c.body, "<circle class=%q cx=%q cy=%q r=%q/>\n", s.class("h"), num(x), num(y), num(r-0.5))
	case 2:
		c.rect(s.class("f"), x-r+0.5, y-r+0.5, 2*r-1, 2*r-1)
	case 3:
		c.polygon(s.class("f"), x, y-r-0.5, x+r+0.5, y+r-0.5, x-r-0.5, y+r-0.5)
	case 4:
		c.polygon(s.class("f"), x, y-r-1, x+r+1, y, x, y+r+1, x-r-1, y)
	default:
		c.line(s.class("l"), x-r, y-r, x+r, y+r)
		c.line(s.class("l"), x-r, y+r, x+r, y-r)
	}
}

func (c *canvas) polygon(class string, xy ...float64) {
	var points []string
	for i := 0; i+1 < len(xy); i += 2 {
		points = append(points, num(xy[i])+","+num(xy[i+1]))
	}
	fmt.Fprintf(&c.body, "<polygon class=%q points=%q/>\n", class, strings.Join(points, " "))
}

// across draws an interval from x1 to x2 at the height y, with a cap at each end.
func (c *canvas) across(class string, x1, x2, y float64) {
	const cap = 3.5
	c.line(class, x1, y, x2, y)
	c.line(class, x1, y-cap, x1, y+cap)
	c.line(class, x2, y-cap, x2, y+cap)
}

// upright draws an interval from y1 to y2 at x.
func (c *canvas) upright(class string, x, y1, y2 float64) {
	const cap = 2.5
	c.line(class, x, y1, x, y2)
	c.line(class, x-cap, y1, x+cap, y1)
	c.line(class, x-cap, y2, x+cap, y2)
}

// keyed is one thing a legend names: how to draw it around x, y, and its name.
type keyed struct {
	draw func(x, y float64)
	name string
}

// legend names things from y on, in as many lines as it takes, and returns where it ends.
func (c *canvas) legend(keys []keyed, y float64) float64 {
	const key = 20.0
	x := edge
	y += lineSpace
	for _, k := range keys {
		w := key + textWidth(k.name) + 8
		if x > edge && x+w > width {
			x, y = edge, y+lineSpace
		}
		k.draw(x+8, y-fontSize/3)
		c.text("t", "start", x+key, y, k.name)
		x += w
	}
	return y
}
