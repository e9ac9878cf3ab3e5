// Package terminal says what may be written where: a program asks, rewrites lines and colours them only where somebody
// is there to see it.
package terminal

import (
	"os"

	"golang.org/x/term"
)

// Is reports whether stream, a reader or a writer, is a terminal. /dev/null is none.
func Is(stream any) bool {
	f, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Live reports whether stream is a terminal on which a line can be written again.
func Live(stream any) bool { return Is(stream) && os.Getenv("TERM") != "dumb" }

// Colour reports whether colours are welcome on stream (https://no-color.org).
func Colour(stream any) bool { return Live(stream) && os.Getenv("NO_COLOR") == "" }

// Width is how many columns stream has, or the given number where it does not tell.
func Width(stream any, otherwise int) int {
	f, ok := stream.(*os.File)
	if !ok {
		return otherwise
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return otherwise
	}
	return width
}
