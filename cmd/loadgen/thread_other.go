//go:build !linux

package main

import "os"

// defaultIO is what --io is if not given.
const defaultIO = "net"

func sharpenTimer() error { return nil }

func threadTime() (ran, waited int64, ok bool) { return 0, 0, false }

func terminalWidth(*os.File) int { return 0 }

// isTerminal says whether somebody may be watching f.
func isTerminal(f *os.File) bool {
	info, err := f.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0
}
