// Package plot draws the figures of a report as SVG, to stand inside an HTML page. It is pure: text in, text out, the same
// on every machine.
//
// Opinions:
//
//   - A drawing is 320 units wide, the width of a small phone, and is scaled as a whole; so text is never smaller beside a
//     wide plot than beside a narrow one.
//   - Intervals are drawn wherever there are any: a bare point looks truer than it is.
//   - Bars begin at zero. What need not begin there is drawn with points.
//   - Colour is never alone: a [Style] is a colour, a shape of marker and a dash of line, and what is drawn is named.
//   - Each drawing has a title and a description, for those who do not see it.
//
// Colours are classes (s0, s1, … for styles; a for axes, g for grid lines, m for what explains), which the page's style
// sheet gives a value for light, dark and paper.
package plot

// Chart is a figure. ID is put before the identifiers in the drawing, so that several can stand in one page.
type Chart interface{ SVG(id string) string }

// Value is a quantity with its interval. An interval from 0 to 0 is none.
type Value struct{ V, Lo, Hi float64 }

// Bounded says whether there is an interval.
func (v Value) Bounded() bool { return v.Lo != 0 || v.Hi != 0 }

// top is as far as the value or its interval reaches.
func (v Value) top() float64 { return max(v.V, v.Hi) }

// bottom is the same downwards.
func (v Value) bottom() float64 {
	if v.Bounded() {
		return min(v.V, v.Lo)
	}
	return v.V
}

// Style is how the things of one kind look in every plot of a page. There are Styles of them.
type Style int

// Styles is the number of styles; a greater one begins anew.
const Styles = 6
