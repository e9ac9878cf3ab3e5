package udp

import "golang.org/x/sys/unix"

// FreeBSD's SO_REUSEPORT gives every datagram to one of the sockets; this one spreads them.
const reusePortOption = unix.SO_REUSEPORT_LB
