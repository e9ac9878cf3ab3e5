package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
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
	err := l.Do(side, func() error {
		b, err := os.ReadFile("/proc/thread-self/net/snmp")
		if err != nil {
			return err
		}
		if err := addSNMP(&out, b); err != nil {
			return err
		}
		b, err = os.ReadFile("/proc/thread-self/net/snmp6")
		if os.IsNotExist(err) {
			return nil // no IPv6
		}
		if err != nil {
			return err
		}
		return addSNMP6(&out, b)
	})
	if err != nil {
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

// addSNMP adds the counters of /proc/net/snmp: for each protocol a line of names and a line of numbers, both beginning
// with the protocol.
func addSNMP(out *Losses, b []byte) error {
	var names [][]byte
	for line := range bytes.Lines(b) {
		fields := bytes.Fields(line)
		if len(fields) == 0 || string(fields[0]) != "Udp:" {
			continue
		}
		if names == nil {
			names = fields
			continue
		}
		if len(fields) != len(names) {
			return fmt.Errorf("parse /proc/net/snmp: %d numbers under %d names", len(fields)-1, len(names)-1)
		}
		for i, f := range fields[1:] {
			if err := out.add(string(names[i+1]), f); err != nil {
				return fmt.Errorf("parse /proc/net/snmp: %w", err)
			}
		}
		return nil
	}
	return errors.New("parse /proc/net/snmp: no numbers for Udp")
}

// addSNMP6 adds the counters of /proc/net/snmp6: a name and a number a line.
func addSNMP6(out *Losses, b []byte) error {
	for line := range bytes.Lines(b) {
		fields := bytes.Fields(line)
		if len(fields) != 2 {
			continue
		}
		name, ok := bytes.CutPrefix(fields[0], []byte("Udp6"))
		if !ok {
			continue
		}
		if err := out.add(string(name), fields[1]); err != nil {
			return fmt.Errorf("parse /proc/net/snmp6: %w", err)
		}
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
