// Package buildinfo says what a program is and what it was built with and for.
package buildinfo

import (
	"runtime"
	"runtime/debug"
)

// Version is the version that the linker was given or, where that is empty, what Go knows of the module and the commit;
// and the compiler and platform behind it.
func Version(linked string) string {
	v := linked
	if info, ok := debug.ReadBuildInfo(); ok && v == "" {
		v = info.Main.Version // of Go's making, from the tag or the commit, with "+dirty"
	}
	if v == "" || v == "(devel)" {
		v = "dev"
	}
	return v + " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}
