package burn

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Turns makes a Burner of so many turns of the loop a call. Unlike a time, which every process translates for itself at its
// start, on a processor that is busy with who knows what, it is the same work in each.
func Turns(n uint64) Burner { return Burner{turns: n} }

// Set reads a time a call, as in 250ns, or a number of turns, as in 800x; with String and Type a Burner is a flag's value.
func (b *Burner) Set(text string) error {
	if number, ok := strings.CutSuffix(text, "x"); ok {
		turns, err := strconv.ParseUint(number, 10, 40)
		if err != nil {
			return fmt.Errorf("%q: must be a number of turns, as in 800x", text)
		}
		*b = Turns(turns)
		return nil
	}
	each, err := time.ParseDuration(text)
	if err != nil || each < 0 || each > time.Second {
		return fmt.Errorf("%q: must be a time up to 1s, as in 250ns, or turns of a loop, as in 800x", text)
	}
	*b = New(each)
	return nil
}

// String is what Set reads.
func (b *Burner) String() string { return strconv.FormatUint(b.turns, 10) + "x" }

// Type is what help calls the value.
func (b *Burner) Type() string { return "TIME|TURNSx" }
