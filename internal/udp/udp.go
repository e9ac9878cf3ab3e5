package udp

import (
	"net/netip"
	"time"
)

// MaxDatagram is the room of one slot, in bytes of UDP payload. A datagram that is longer is dropped
// and counted as truncated. The value holds every unfragmented datagram of an Ethernet path (1472
// bytes over IPv4) in 24 cache lines; a power of two would map all slots of a batch to the same few
// cache sets.
const MaxDatagram = 1536

const (
	defaultBatch = 64
	maxBatch     = 1024 // UIO_MAXIOV: the kernel takes no more messages than this in one sendmmsg
)

// Options of a Transport. The zero value is good.
type Options struct {
	// Batch is the largest number of datagrams moved by one system call: 1 to 1024, 0 means 64. More
	// brings little, and costs cache and, in the worst case, garbage collection pauses of about 1 ms.
	Batch int
	// ReceiveBuffer and SendBuffer are the bytes asked for each socket's kernel buffers; 0 leaves the
	// kernel's default. The administrator's limit is overstepped where we have the right to
	// (SO_RCVBUFFORCE), and otherwise silently caps what is given.
	ReceiveBuffer int
	SendBuffer    int
	// LocalAddr delivers each datagram's destination address (Inbox.Local). Always on for sockets
	// bound to a wildcard address, where a reply could else leave from another address than the one
	// that was queried.
	LocalAddr bool
	// ReusePort lets several sockets, each opened with it, share an address; the kernel spreads the
	// flows over them.
	ReusePort bool
}

// Transport is all the sockets of one thread.
//
// Receive, Send and Close must be called from one goroutine, which should be locked to its OS thread.
// That goroutine closes too, so that no descriptor is closed under a reader. Local, Wake and Stats
// are safe from any goroutine, also after Close.
type Transport interface {
	// Local returns the bound addresses; the index is the socket number. Do not modify it.
	Local() []netip.AddrPort
	// Receive fills in with datagrams of one socket and returns how many there are. It waits at most d
	// for the first one; 0 does not wait, a negative d waits without limit. It returns 0, nil on
	// time-out, on Wake, and when all that came had to be dropped. Errors that pass (an ICMP error, say)
	// are counted, not returned; an error returned means that the sockets are of no more use.
	Receive(in *Inbox, d time.Duration) (int, error)
	// Send transmits all of out through socket number socket, and empties out. A datagram that cannot be
	// sent is skipped and counted by reason.
	Send(out *Outbox, socket int)
	// Wake makes a waiting Receive, or else the next that would wait, return at once.
	Wake()
	// Stats returns totals since the transport was opened; after Close, the last ones.
	Stats() Stats
	// Close closes the sockets. Closing again does nothing.
	Close() error
}

// Stats are totals since a transport was opened, in datagrams unless said otherwise.
type Stats struct {
	Received, Sent uint64
	// ReceiveCalls and SendCalls are the system calls that moved any of those, so that
	// Received/ReceiveCalls is the mean batch.
	ReceiveCalls, SendCalls uint64
	// BytesIn and BytesOut are UDP payload bytes of what was received and sent.
	BytesIn, BytesOut uint64
	// Truncated datagrams were longer than a slot of the Inbox, and dropped.
	Truncated uint64
	// SendErrors are the datagrams that were not sent.
	SendErrors SendErrors
	// ReceiveErrors are the passing errors that Receive met and went on from.
	ReceiveErrors uint64
	// BufferDrops are the datagrams that the kernel dropped at the sockets, for want of room in the
	// receive buffer above all (SK_MEMINFO_DROPS). Always 0 from OpenNet.
	BufferDrops uint64
}

// Add adds the totals of another transport.
func (s *Stats) Add(o Stats) {
	s.Received += o.Received
	s.Sent += o.Sent
	s.ReceiveCalls += o.ReceiveCalls
	s.SendCalls += o.SendCalls
	s.BytesIn += o.BytesIn
	s.BytesOut += o.BytesOut
	s.Truncated += o.Truncated
	s.SendErrors.Permission += o.SendErrors.Permission
	s.SendErrors.NoBuffer += o.SendErrors.NoBuffer
	s.SendErrors.Unreachable += o.SendErrors.Unreachable
	s.SendErrors.Other += o.SendErrors.Other
	s.ReceiveErrors += o.ReceiveErrors
	s.BufferDrops += o.BufferDrops
}

// SendErrors counts datagrams that were not sent, by reason.
type SendErrors struct {
	// Permission is EPERM: a firewall rule or connection tracking dropped the datagram on its way out.
	Permission uint64
	// NoBuffer is ENOBUFS, ENOMEM, or EAGAIN that outlasted a short wait.
	NoBuffer uint64
	// Unreachable says that there is no route; over IPv4 also that the source address is not ours.
	Unreachable uint64
	// Other is all else: a destination or source address of another family than the socket's, over IPv6
	// a source address that is not ours, port 0, a datagram longer than the path takes.
	Other uint64
}
