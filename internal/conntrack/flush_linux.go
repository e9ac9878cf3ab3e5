package conntrack

import (
	"errors"
	"fmt"

	"golang.org/x/sys/unix"
)

// deleter deletes entries in batches: many messages a system call, and one acknowledgement.
type deleter struct {
	socket   int
	sequence uint32
	queue    []byte
	queued   uint64
	last     int // where the last message of the queue begins
	deleted  uint64
	buf      []byte
}

// deleteBatch, in bytes, is so small that the answers fit into a socket's buffer even if every deletion fails.
const deleteBatch = 8 << 10

func openDeleter() (*deleter, error) {
	s, err := dialNetfilter()
	if err != nil {
		return nil, err
	}
	return &deleter{socket: s, buf: make([]byte, 64<<10)}, nil
}

// add queues an entry. What names it is its tuple and zone, and its id, lest one is hit that has come in its place.
func (d *deleter) add(family byte, entry []byte) error {
	var name []byte
	for _, kind := range []uint16{ctaTupleOrig, ctaZone, ctaID} {
		name = append(name, wholeAttribute(entry, kind)...)
	}
	d.sequence++
	d.last = len(d.queue)
	d.queue = append(d.queue, message(ctDelete, 0, d.sequence, family, name)...)
	d.queued++
	if len(d.queue) < deleteBatch {
		return nil
	}
	return d.send()
}

// send deletes what is queued. Of the messages that succeed, only the last is acknowledged; one that fails because the
// entry is gone already does no harm, and is not counted.
func (d *deleter) send() error {
	if d.queued == 0 {
		return nil
	}
	const flagsAt = 6 // in struct nlmsghdr
	d.queue[d.last+flagsAt] |= unix.NLM_F_ACK
	if err := unix.Sendto(d.socket, d.queue, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return fmt.Errorf("delete conntrack entries: %w", err)
	}
	gone, last := uint64(0), d.sequence
	for acknowledged := false; !acknowledged; {
		n, _, err := unix.Recvfrom(d.socket, d.buf, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return fmt.Errorf("delete conntrack entries: %w", err)
		}
		missed, end, err := readAcks(d.buf[:n], last)
		if err != nil {
			return fmt.Errorf("delete conntrack entries (needs CAP_NET_ADMIN): %w", err)
		}
		gone, acknowledged = gone+missed, end
	}
	d.deleted += d.queued - gone
	d.queue, d.queued = d.queue[:0], 0
	return nil
}

// readAcks reads answers to deletions: how many found no entry, and whether the one with the last sequence number came.
func readAcks(b []byte, last uint32) (missed uint64, end bool, err error) {
	for len(b) >= unix.NLMSG_HDRLEN {
		size := int(native32(b))
		if size < unix.NLMSG_HDRLEN || size > len(b) {
			return missed, end, fmt.Errorf("message of %d bytes in %d", size, len(b))
		}
		if native16(b[4:]) == unix.NLMSG_ERROR {
			switch err := errnoOf(b[unix.NLMSG_HDRLEN:size]); {
			case errors.Is(err, unix.ENOENT):
				missed++
			case err != nil:
				return missed, end, err
			}
			end = end || native32(b[8:]) == last
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return missed, end, nil
}

func (d *deleter) close() error { return unix.Close(d.socket) }
