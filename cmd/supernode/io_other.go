//go:build !linux

package main

// defaultIO is what --io is if not given.
const defaultIO = "net"
