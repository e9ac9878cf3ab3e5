//go:build !linux

package main

// backends are the values of --io.
var backends = []string{"net"}
