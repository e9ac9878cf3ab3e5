package lab

import (
	"fmt"
	"strconv"
)

// Losses says where datagrams died on their way into one side, in datagrams since the lab began.
type Losses struct {
	Ring          uint64 // the veth ring (256 packets) was full: the receiver's stack never saw them
	ReceiveBuffer uint64 // a socket's receive buffer was full (RcvbufErrors)
	NoPort        uint64 // no socket was there (NoPorts)
	SendBuffer    uint64 // of those the side itself wanted to send: no room (SndbufErrors)
}

// Sub returns what was lost from earlier to l.
func (l Losses) Sub(earlier Losses) Losses {
	return Losses{
		Ring:          l.Ring - earlier.Ring,
		ReceiveBuffer: l.ReceiveBuffer - earlier.ReceiveBuffer,
		NoPort:        l.NoPort - earlier.NoPort,
		SendBuffer:    l.SendBuffer - earlier.SendBuffer,
	}
}

// Losses reads what was lost on the way into the side, IPv4 and IPv6 together.
func (l *Lab) Losses(side Side) (Losses, error) {
	var out Losses
	if err := l.eachCounter(side, "Udp", out.add); err != nil {
		return Losses{}, fmt.Errorf("read UDP losses of the %s: %w", side, err)
	}

	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return Losses{}, errClosed
	}
	// veth counts a full ring at the device that sent (drivers/net/veth.c, veth_xmit).
	sender := &l.ends[side.other()]
	link, err := sender.nl.LinkByIndex(sender.link.Attrs().Index)
	if err != nil {
		return Losses{}, fmt.Errorf("read statistics of link %s: %w", sender.dev, err)
	}
	out.Ring = link.Attrs().Statistics.TxDropped
	return out, nil
}

// counter returns the field for a UDP counter by its name in /proc, or nil for one that is no loss.
func (l *Losses) counter(name string) *uint64 {
	switch name {
	case "RcvbufErrors":
		return &l.ReceiveBuffer
	case "NoPorts":
		return &l.NoPort
	case "SndbufErrors":
		return &l.SendBuffer
	}
	return nil
}

func (l *Losses) add(name string, number []byte) error {
	c := l.counter(name)
	if c == nil {
		return nil
	}
	v, err := strconv.ParseUint(string(number), 10, 64)
	if err != nil {
		return fmt.Errorf("counter %s: %w", name, err)
	}
	*c += v
	return nil
}
