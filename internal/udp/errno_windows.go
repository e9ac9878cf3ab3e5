package udp

import "golang.org/x/sys/windows"

// The errors that this package tells apart, as Winsock numbers them; package syscall's names stand for
// numbers of its own invention there.
const (
	errAgain           = windows.WSAEWOULDBLOCK
	errPermission      = windows.WSAEACCES
	errAccess          = windows.ERROR_ACCESS_DENIED
	errNoBuffer        = windows.WSAENOBUFS
	errNoMemory        = windows.ERROR_NOT_ENOUGH_MEMORY
	errNetUnreachable  = windows.WSAENETUNREACH
	errHostUnreachable = windows.WSAEHOSTUNREACH
	errNetDown         = windows.WSAENETDOWN
	errHostDown        = windows.WSAEHOSTDOWN
	errRefused         = windows.WSAECONNREFUSED
	errAddrInUse       = windows.WSAEADDRINUSE
	errAddrNotOurs     = windows.WSAEADDRNOTAVAIL
	errNoFamily        = windows.WSAEAFNOSUPPORT
)
