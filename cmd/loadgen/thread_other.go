//go:build !linux

package main

// defaultIO is what --io is if not given.
const defaultIO = "net"

func sharpenTimer() error { return nil }

func threadTime() (ran, waited int64, ok bool) { return 0, 0, false }
