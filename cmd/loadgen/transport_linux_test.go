package main

import (
	"testing"
)

// Frames of our own do not get to this machine itself: the kernel takes them for forged.
func TestPacketToItself(t *testing.T) {
	t.Parallel()
	for _, io := range []string{ioPacket, ioXDP} {
		for _, target := range []string{"127.0.0.1:6881", "[::1]:6881"} {
			loadgen(t, "--io", io, target).oneLine(t, 2, "--io "+io+": find the way to ", "it is an address of this machine: use --io mmsg")
		}
	}
}
