package udp

import (
	"sync/atomic"
	"syscall"
)

// counters is Stats as it is kept. What a batch moves is summed in local variables and added once, so
// that any goroutine may read at any time and the packet path pays a few nanoseconds a batch.
type counters struct {
	received, receiveCalls, bytesIn, truncated, receiveErrors atomic.Uint64
	sent, sendCalls, bytesOut                                 atomic.Uint64
	permission, noBuffer, unreachable, other                  atomic.Uint64
}

// arrived records system calls that brought n datagrams for delivery.
func (c *counters) arrived(calls, n, bytes int) {
	if n > 0 {
		c.receiveCalls.Add(uint64(calls))
		c.received.Add(uint64(n))
		c.bytesIn.Add(uint64(bytes))
	}
}

// departed records system calls that sent n datagrams.
func (c *counters) departed(calls, n, bytes int) {
	if n > 0 {
		c.sendCalls.Add(uint64(calls))
		c.sent.Add(uint64(n))
		c.bytesOut.Add(uint64(bytes))
	}
}

// refused records a datagram that the kernel would not send.
func (c *counters) refused(errno syscall.Errno) {
	switch errno {
	case errPermission:
		c.permission.Add(1)
	case errNoBuffer, errNoMemory, errAgain:
		c.noBuffer.Add(1)
	case errNetUnreachable, errHostUnreachable, errNetDown, errHostDown, errRefused:
		c.unreachable.Add(1)
	default:
		c.other.Add(1)
	}
}

func (c *counters) stats() Stats {
	return Stats{
		Received:      c.received.Load(),
		ReceiveCalls:  c.receiveCalls.Load(),
		BytesIn:       c.bytesIn.Load(),
		Truncated:     c.truncated.Load(),
		ReceiveErrors: c.receiveErrors.Load(),
		Sent:          c.sent.Load(),
		SendCalls:     c.sendCalls.Load(),
		BytesOut:      c.bytesOut.Load(),
		SendErrors: SendErrors{
			Permission:  c.permission.Load(),
			NoBuffer:    c.noBuffer.Load(),
			Unreachable: c.unreachable.Load(),
			Other:       c.other.Load(),
		},
	}
}
