package wire

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// malformed holds what Parse must refuse, by reason.
var malformed = []struct {
	name string
	err  error
	in   []string
}{
	{"nothing", ErrBencode, []string{""}},
	{"not a dictionary", ErrBencode, []string{"4:ping", "i1e", "le", "l1:y1:qe", "e", "x", "\x00", " d1:y1:qe"}},
	{"truncated", ErrBencode, []string{
		"d", "d1", "d1:", "d1:y", "d1:y1", "d1:y1:", "d1:y1:q", "d1:ad", "d1:ade", "d1:ad2:id20:abc", "d1:t", "d1:ti1",
		"d1:el", "d1:eli201e", "d1:eli201e3:ab", "d1:ad4:wantl", "d1:ad4:wantl2:n4", "d1:rd6:valuesl", "d1:rd6:valuesl6:abcdef",
		"d1:rd1:v", "d1:rd1:vl", "d1:xd1:a", "d1:xl", "d2:ro", "d2:roi", "d2:roi1", "d2:roi-",
	}},
	{"bytes behind the end", ErrBencode, []string{
		"d1:y1:qee", "d1:y1:qed1:y1:qe", "d1:y1:qe\x00", "d1:y1:qe\n", "d1:y1:qe1:t",
	}},
	{"key without value", ErrBencode, []string{"d1:te", "d1:t1:a1:ye", "d1:ad2:idee", "d1:rd1:vee", "d1:xd1:aee"}},
	{"key not a string", ErrBencode, []string{
		"di1e1:qe", "dle1:qe", "dde1:qe", "d1:adi1e1:xee", "d1:adle1:xee", "d1:xdi1e1:xee", "d1:rd1:vdi1e1:xeee",
	}},
	{"length with leading zero", ErrBencode, []string{
		"d01:y1:qe", "d1:y01:qe", "d1:t00:1:y1:qe", "d1:ad02:id1:xe1:y1:qe", "d1:x01:a1:y1:qe", "d1:xl01:ae1:y1:qe",
		"d1:xd01:a1:be1:y1:qe", "d1:ad4:wantl02:n4ee1:y1:qe", "d1:eli1e01:xe1:y1:ee", "d2:ip06:abcdef1:y1:qe",
	}},
	{"length negative, signed or not a number", ErrBencode, []string{
		"d1:t-1:a1:y1:qe", "d1:t-0:1:y1:qe", "d1:t+1:a1:y1:qe", "d1:t 1:a1:y1:qe", "d1:t1 :a1:y1:qe", "d1:t1a:a1:y1:qe",
		"d1:t:1:y1:qe", "d-1:t1:a1:y1:qe", "d1:x-1:a1:y1:qe",
	}},
	{"length beyond the end", ErrBencode, []string{
		"d1:t2:ae", "d1:t9:a1:y1:qe", "d1:t10:a1:y1:qe", "d1:t99999:a1:y1:qe", "d1:x99:a1:y1:qe", "d1:ad2:id20:abce1:y1:qe",
		"d999:y1:qe", "d1:t8:a1:y1:qe",
	}},
	{"length overflows", ErrBencode, []string{
		"d1:t2147483648:a1:y1:qe", "d1:t4294967297:a1:y1:qe", "d1:t9223372036854775807:a1:y1:qe",
		"d1:t9223372036854775808:a1:y1:qe", "d1:t18446744073709551615:a1:y1:qe", "d1:t18446744073709551617:a1:y1:qe",
		"d1:t36893488147419103233:a1:y1:qe", "d1:t" + strings.Repeat("9", 400) + ":a1:y1:qe",
	}},
	{"integer with leading zero", ErrBencode, inEveryInteger("i00e", "i01e", "i-01e", "i007e")},
	{"negative zero", ErrBencode, inEveryInteger("i-0e", "i-00e")},
	{"integer empty or not a number", ErrBencode, inEveryInteger("ie", "i-e", "i--1e", "i+1e", "i 1e", "i1 e", "i1.0e", "i0x1e", "i1", "i-")},
	{"integer overflows", ErrBencode, inEveryInteger("i9223372036854775808e", "i-9223372036854775809e",
		"i18446744073709551615e", "i18446744073709551616e", "i99999999999999999999e", "i"+strings.Repeat("9", 400)+"e")},
	{"no kind", ErrKind, []string{
		"de", "d1:q4:ping1:t2:aae", "d1:y0:e", "d1:yi1ee", "d1:ylee", "d1:ydee", "d1:t7:a1:y1:qe", "d1:y2:qqe", "d1:y1:xe", "d1:y1:Qe", "d1:y1:\x00e",
		"d1:yl1:qee", "d1:y1:x1:y1:qe", "d1:yi0e1:y1:qe", "d1:Y1:qe",
	}},
}

// inEveryInteger puts an ill-formed integer wherever Parse reads or passes over one.
func inEveryInteger(ints ...string) (in []string) {
	for _, i := range ints {
		for _, where := range []string{
			"d1:ad4:port%see", "d1:ad12:implied_port%see", "d1:ad3:seq%see", "d2:ro%se", "d1:el%s1:xee", "d1:x%se", "d1:ad1:x%see",
			"d1:xl%see", "d1:xd1:x%see", "d1:t%se", "d1:ad2:id%see", "d1:rd1:v%see", "d1:rd6:valuesl%seee", "d1:ad4:wantl%seee",
			"d1:ele1:e%se",
		} {
			in = append(in, fmt.Sprintf(where[:len(where)-1], i)+"1:y1:qe")
		}
	}
	return in
}

func TestParseRefuses(t *testing.T) {
	for _, class := range malformed {
		t.Run(class.name, func(t *testing.T) {
			for _, in := range class.in {
				var m Message
				require.ErrorIs(t, Parse([]byte(in), &m), class.err, "%q", in)
			}
		})
	}
}

// TestParseRefusesEveryPrefix cuts well-formed messages at every byte, and lets each be followed by one.
func TestParseRefusesEveryPrefix(t *testing.T) {
	var m Message
	for _, s := range samples() {
		p := s.msg.Append(nil)
		for n := range p {
			require.ErrorIs(t, Parse(p[:n], &m), ErrBencode, "%s cut to %d bytes", s.name, n)
		}
		require.ErrorIs(t, Parse(append(p, 'e'), &m), ErrBencode)
	}
}

// TestParseDepth nests through every way into the decoder, to the limit and one level beyond.
func TestParseDepth(t *testing.T) {
	above := func(containers int, paths ...string) map[string]int {
		m := map[string]int{}
		for _, p := range paths {
			m[p] = containers
		}
		return m
	}
	for _, paths := range []map[string]int{
		above(1, "1:x%s", "1:t%s", "1:v%s", "1:q%s", "2:ip%s", "2:ro%s", "1:a%s", "1:r%s", "1:e%s", "1:t1:x1:t%s", "1:ade1:a%s"),
		above(2, "1:ad1:x%se", "1:ad1:v%se", "1:ad2:id%se", "1:ad5:token%se", "1:ad4:port%se", "1:ad4:seed%se", "1:ad5:nodes%se",
			"1:ad6:values%se", "1:ad4:want%se", "1:ad4:salt%se", "1:ad3:cas%se", "1:ad4:BFsd%se", "1:ad2:id1:x2:id%se",
			"1:rd1:x%se", "1:rd1:v%se", "1:rd2:id%se", "1:el%se", "1:eli1e%se", "1:eli1e1:x%se", "1:xl%se", "1:xd1:x%se"),
		above(3, "1:ad4:wantl%see", "1:ad4:wantl2:n4%see", "1:ad6:valuesl%see", "1:rd6:valuesl6:abcdef%see", "1:ad1:xl%see"),
	} {
		for path, depth := range paths {
			for _, shape := range []struct{ open, close string }{{"l", "e"}, {"d1:x", "e"}, {"li1e1:x", "1:xe"}} {
				for n, want := range map[int]error{MaxDepth - depth: nil, MaxDepth - depth + 1: ErrBencode, 5000: ErrBencode} {
					// The innermost container is an empty list, so that every shape has something inside.
					value := strings.Repeat(shape.open, n-1) + "le" + strings.Repeat(shape.close, n-1)
					in := fmt.Sprintf(path, value)
					if strings.HasPrefix(path, "1:ad") && strings.HasSuffix(path, "e") {
						in = in[:len(in)-1] + "3:numi7e" + "e" // something to lose if "a" is given up midway
					}
					in = "d" + in + "1:y1:qe"
					var m Message
					err := Parse([]byte(in), &m)
					require.ErrorIs(t, err, want, "%s with %d of %q", path, n, shape.open)
					if err == nil {
						require.Equal(t, mustParse(t, in), m)
					}
				}
			}
		}
	}
}
