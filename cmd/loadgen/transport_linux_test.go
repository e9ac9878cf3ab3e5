package main

import (
	"testing"
)

// Frames of our own do not get to this machine itself: the kernel takes them for forged.
func TestPacketToItself(t *testing.T) {
	t.Parallel()
	for _, target := range []string{"127.0.0.1:6881", "[::1]:6881"} {
		loadgen(t, "--io", "packet", target).oneLine(t, 2, "--io packet: find the way to ", "it is an address of this machine: use --io mmsg")
	}
}
