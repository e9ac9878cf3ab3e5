package conntrack

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const (
	groupNew     = 1       // NFNLGRP_CONNTRACK_NEW, as a bit of a bind mask
	enoughEvents = 4096    // for ±3 %; the kernel builds a message for each new flow while somebody listens
	eventBuffer  = 8 << 20 // bytes of the socket's buffer; a message takes about 1 KiB of it
	pollPeriod   = 50 * time.Millisecond
)

// countNewFlows counts the new entries of the calling thread's network namespace by the kernel's own events, for the
// time d or until they are enough. It needs CAP_NET_ADMIN (for the buffer, and kernels before 4.x for the rest).
func countNewFlows(ctx context.Context, d time.Duration) (s Sample, err error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_NETFILTER)
	if err != nil {
		return s, fmt.Errorf("open conntrack event socket: %w", err)
	}
	defer unix.Close(fd)
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, eventBuffer); err != nil {
		return s, fmt.Errorf("listen to conntrack events (needs CAP_NET_ADMIN): %w", err)
	}
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groupNew}); err != nil {
		return s, fmt.Errorf("listen to conntrack events (needs CAP_NET_ADMIN): %w", err)
	}
	start := time.Now()
	buf := make([]byte, os.Getpagesize())
	for s.Count < enoughEvents && ctx.Err() == nil {
		left := d - time.Since(start)
		if left <= 0 {
			break
		}
		n, _, err := unix.Recvfrom(fd, buf, 0)
		switch {
		case err == nil:
			s.Count += uint64(messages(buf[:n]))
		case errors.Is(err, unix.EAGAIN):
			// Short waits, to notice the end of ctx.
			_, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, int(min(left, pollPeriod)/time.Millisecond)+1)
			if err != nil && !errors.Is(err, unix.EINTR) {
				return Sample{}, fmt.Errorf("wait for conntrack events: %w", err)
			}
		case errors.Is(err, unix.ENOBUFS): // some are lost: what is here ends the sample
			return Sample{}, errors.New("count conntrack events: there were more than the socket's buffer holds")
		case !errors.Is(err, unix.EINTR):
			return Sample{}, fmt.Errorf("receive conntrack events: %w", err)
		}
	}
	s.Over = time.Since(start)
	return s, nil
}

// messages counts the netlink messages in b.
func messages(b []byte) (n int) {
	for len(b) >= unix.NLMSG_HDRLEN {
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.NLMSG_HDRLEN || size > len(b) {
			break
		}
		n++
		b = b[min(len(b), (size+unix.NLMSG_ALIGNTO-1)&^(unix.NLMSG_ALIGNTO-1)):]
	}
	return n
}
