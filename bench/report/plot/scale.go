package plot

import (
	"math"
	"strconv"
)

// scale puts values from lo to hi on the stretch from a to b of the drawing.
type scale struct {
	lo, hi, a, b float64
	log          bool
}

func (s scale) at(v float64) float64 {
	lo, hi := s.lo, s.hi
	if s.log {
		lo, hi, v = math.Log(lo), math.Log(hi), math.Log(max(v, s.lo))
	}
	if hi <= lo {
		return s.a
	}
	return s.a + (v-lo)/(hi-lo)*(s.b-s.a)
}

// ticks are round values for about n marks between lo and hi, both included if they are round.
func (s scale) ticks(n int) []float64 {
	if s.log {
		return logTicks(s.lo, s.hi, n)
	}
	step := roundStep((s.hi - s.lo) / float64(max(n, 1)))
	if step == 0 {
		return []float64{s.lo}
	}
	var out []float64
	for i := math.Ceil(s.lo/step - 1e-9); i*step <= s.hi+step*1e-9; i++ {
		out = append(out, i*step+0) // no minus before 0
	}
	return out
}

// roundStep is the least of 1, 2 and 5 times a power of ten that is no less than raw.
func roundStep(raw float64) float64 {
	if raw <= 0 || math.IsInf(raw, 0) || math.IsNaN(raw) {
		return 0
	}
	power := math.Pow(10, math.Floor(math.Log10(raw)))
	for _, m := range []float64{1, 2, 5} {
		if m*power >= raw*(1-1e-9) {
			return m * power
		}
	}
	return 10 * power
}

// logTicks are powers of ten, with their doubles and fivefolds while they are not more than n.
func logTicks(lo, hi float64, n int) []float64 {
	var out []float64
	for _, mantissas := range [][]float64{{1, 2, 5}, {1, 3}, {1}} {
		out = out[:0]
		for power := math.Pow(10, math.Floor(math.Log10(lo))); power <= hi; power *= 10 {
			for _, m := range mantissas {
				if v := m * power; v >= lo*(1-1e-9) && v <= hi*(1+1e-9) {
					out = append(out, v)
				}
			}
		}
		if len(out) <= n {
			break
		}
	}
	return out
}

// roundUp is the end of an axis that begins at 0 and has to hold v.
func roundUp(v float64, n int) float64 {
	step := roundStep(v / float64(n))
	if step == 0 {
		return 1
	}
	return math.Ceil(v/step-1e-9) * step
}

// spread is the range of a logarithmic axis around lo to hi, ends rounded outwards to 1, 2 or 5, or to powers of ten if
// there is more than a hundred between them.
func spread(lo, hi float64) (float64, float64) {
	if lo <= 0 || hi < lo {
		return 1, 10
	}
	power := math.Pow(10, math.Floor(math.Log10(lo)))
	if hi > 100*lo {
		return power, math.Pow(10, math.Ceil(math.Log10(hi)-1e-9))
	}
	bottom := power
	for _, m := range []float64{2, 5} {
		if m*power <= lo {
			bottom = m * power
		}
	}
	top := roundStep(hi)
	if top <= bottom {
		top = bottom * 2
	}
	return bottom, top
}

// short writes a tick: thousands as k, millions as M, no digits that say nothing.
func short(v float64) string {
	plain := func(x float64) string { return strconv.FormatFloat(math.Round(x*1e6)/1e6, 'f', -1, 64) }
	switch a := math.Abs(v); {
	case a >= 1e6:
		return plain(v/1e6) + "M"
	case a >= 1e4:
		return plain(v/1e3) + "k"
	}
	return plain(v)
}
