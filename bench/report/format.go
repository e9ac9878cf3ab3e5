package report

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"supernode/bench/stat"
)

// Group writes a whole number with commas between thousands.
func Group(x float64) string {
	digits := strconv.FormatFloat(math.Abs(math.Round(x)), 'f', 0, 64)
	var b strings.Builder
	if math.Round(x) < 0 {
		b.WriteByte('-')
	}
	for i, d := range digits {
		if i > 0 && (len(digits)-i)%3 == 0 {
			b.WriteByte(',')
		}
		b.WriteRune(d)
	}
	return b.String()
}

// signed is Group with a plus sign where there is no minus.
func signed(x float64) string {
	if math.Round(x) > 0 {
		return "+" + Group(x)
	}
	return Group(x)
}

// micros writes microseconds with one decimal while that decimal means anything.
func micros(us float64) string {
	if math.Abs(us) >= 1000 {
		return Group(us)
	}
	return strconv.FormatFloat(us, 'f', 1, 64)
}

func signedMicros(us float64) string {
	if us > 0 {
		return "+" + micros(us)
	}
	return micros(us)
}

// percent writes how far a ratio is from 1, without its sign.
func percent(ratio float64) string { return fmt.Sprintf("%.1f %%", math.Abs(ratio-1)*100) }

// change writes how far a ratio is from 1, with its sign.
func change(ratio float64) string {
	p := (ratio - 1) * 100
	if math.Abs(p) < 0.05 {
		return "0.0 %" // never "-0.0 %"
	}
	return fmt.Sprintf("%+.1f %%", p)
}

// span writes the interval of a ratio.
func span(lo, hi float64) string { return fmt.Sprintf("%s to %s", change(lo), change(hi)) }

// level writes a confidence as a share of a hundred, "95 %".
func level(confidence float64) string {
	return strconv.FormatFloat(confidence*100, 'f', -1, 64) + " %"
}

func pValue(p float64) string {
	if p < 0.001 {
		return "<0.001"
	}
	return strconv.FormatFloat(p, 'f', 3, 64)
}

// part writes a share from 0 to 1.
func part(x float64) string {
	switch {
	case x == 0:
		return "0"
	case x < 0.0001:
		return "<0.01 %"
	}
	return strconv.FormatFloat(x*100, 'f', 2, 64) + " %"
}

// withSpan writes an estimate and its interval through one formatter, a dash for what was not measured. Too few values
// have no interval.
func withSpan(e *stat.Estimate, write func(float64) string) string {
	if e == nil || !e.Bounded() {
		return only(e, write)
	}
	return fmt.Sprintf("%s [%s, %s]", write(e.Median), write(e.Lo), write(e.Hi))
}

func only(e *stat.Estimate, write func(float64) string) string {
	if e == nil {
		return "–"
	}
	return write(e.Median)
}

// Plural writes a number of things.
func Plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	ending := "s"
	if strings.HasSuffix(what, "ch") {
		ending = "es"
	}
	return Group(float64(n)) + " " + what + ending
}
