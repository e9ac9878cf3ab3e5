package main

import (
	"runtime"
	"runtime/debug"
)

// version is set by the linker; without that it is what Go knows of the module and the commit.
var version = ""

// versionText is the program's version, and what it was built with and for.
func versionText() string {
	v := version
	if info, ok := debug.ReadBuildInfo(); ok && v == "" {
		v = info.Main.Version // of Go's making, from the tag or the commit, with "+dirty"
	}
	if v == "" || v == "(devel)" {
		v = "dev"
	}
	return v + " " + runtime.Version() + " " + runtime.GOOS + "/" + runtime.GOARCH
}
