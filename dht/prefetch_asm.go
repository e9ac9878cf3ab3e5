//go:build amd64 || arm64

package dht

import "unsafe"

// prefetch asks for the lines of the processor's cache that hold the n bytes from p on. Any p will do.
//
//go:noescape
func prefetch(p unsafe.Pointer, n int)
