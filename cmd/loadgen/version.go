package main

import "supernode/internal/buildinfo"

// version is set by the linker; without that it is what Go knows of the module and the commit.
var version = ""

// versionText is the program's version, and what it was built with and for.
func versionText() string { return buildinfo.Version(version) }
