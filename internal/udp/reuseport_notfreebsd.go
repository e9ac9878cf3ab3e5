//go:build linux || darwin || netbsd || openbsd || dragonfly

package udp

import "golang.org/x/sys/unix"

const reusePortOption = unix.SO_REUSEPORT
