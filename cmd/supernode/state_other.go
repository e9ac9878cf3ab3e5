//go:build !(darwin || dragonfly || freebsd || linux || netbsd || openbsd)

package main

import "os"

// tryLock lets everyone in: these systems have no flock(2). Give each node a --state-dir of its own.
func tryLock(*os.File) error { return nil }

// syncDir has nothing to do where directories cannot be opened.
func syncDir(string) error { return nil }
