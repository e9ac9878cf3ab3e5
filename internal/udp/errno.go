//go:build !windows

package udp

import "syscall"

// The errors that this package tells apart.
const (
	errAgain           = syscall.EAGAIN
	errPermission      = syscall.EPERM
	errAccess          = syscall.EACCES
	errNoBuffer        = syscall.ENOBUFS
	errNoMemory        = syscall.ENOMEM
	errNetUnreachable  = syscall.ENETUNREACH
	errHostUnreachable = syscall.EHOSTUNREACH
	errNetDown         = syscall.ENETDOWN
	errHostDown        = syscall.EHOSTDOWN
	errRefused         = syscall.ECONNREFUSED
	errAddrInUse       = syscall.EADDRINUSE
	errAddrNotOurs     = syscall.EADDRNOTAVAIL
	errNoFamily        = syscall.EAFNOSUPPORT
)
