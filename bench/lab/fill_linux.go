package lab

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/mdlayher/netlink"
	"golang.org/x/sys/unix"

	"supernode/internal/conntrack"
)

const (
	fillBatch   = 256                      // entries in one system call, so that ctx is looked at often
	fillTimeout = 24 * time.Hour           // life of an entry: longer than any run
	fillPort    = 9                        // both ports of an entry, discard, and the source port of further ones counts up
	fillFirst   = uint32(100)<<24 | 64<<16 // 100.64.0.0/10 (RFC 6598): 4,194,304 addresses that no trial uses
	fillHosts   = 1 << 22
	fillMost    = 1 << 28
)

// FillTable adds ASSURED UDP entries to the server namespace's table until leave more would fill it, and returns how
// many it added. The kernel never evicts an assured entry early, so that a table filled with leave 0 refuses every new
// flow. The entries are made over netlink and belong to no traffic; SetRules removes them.
//
// At the usual limit of 262,144 that takes about a second and 90 MiB of the kernel's memory: an entry made over netlink has room for
// every extension (nf_conntrack_netlink.c, ctnetlink_create_conntrack), and so is larger than one that traffic makes.
func (l *Lab) FillTable(ctx context.Context, leave uint64) (added int, err error) {
	return l.FillTableFor(ctx, leave, fillTimeout)
}

// FillTableFor is FillTable with entries that live for so long.
func (l *Lab) FillTableFor(ctx context.Context, leave uint64, life time.Duration) (added int, err error) {
	err = l.Do(Server, func() error {
		facts, err := conntrack.Read()
		if err != nil {
			return err
		}
		if facts.Limit == 0 {
			return fmt.Errorf("the limit is unknown: %q", facts.Unchecked)
		}
		if facts.Count+leave >= facts.Limit {
			return nil
		}
		want := facts.Limit - leave - facts.Count
		first, err := l.reserve(want)
		if err != nil {
			return err
		}
		conn, err := netlink.Dial(unix.NETLINK_NETFILTER, nil)
		if err != nil {
			return err
		}
		added, err = fill(ctx, conn, first, l.spec.ServerAddr4.Addr(), int(want), life)
		return errors.Join(err, conn.Close())
	})
	if err != nil {
		return added, fmt.Errorf("fill conntrack table of the server: %w", err)
	}
	return added, nil
}

// reserve hands out n sources that no entry has yet, and returns the first.
func (l *Lab) reserve(n uint64) (first uint32, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.filled+n > fillMost {
		return 0, fmt.Errorf("%d entries to make after %d, at most %d are supported; SetRules starts again", n, l.filled, fillMost)
	}
	first = uint32(l.filled)
	l.filled += n
	return first, nil
}

// fill makes want entries, from the source first on, and fewer if the table is full before.
func fill(ctx context.Context, conn *netlink.Conn, first uint32, server netip.Addr, want int, life time.Duration) (added int, err error) {
	batch := make([]netlink.Message, 0, fillBatch)
	for added < want {
		if err := ctx.Err(); err != nil {
			return added, err
		}
		batch = batch[:0]
		for i := range min(fillBatch, want-added) {
			batch = append(batch, newEntry(first+uint32(added+i), server, life))
		}
		// Failures are reported each; of the successes only the last is, and with it the whole batch is through.
		batch[len(batch)-1].Header.Flags |= netlink.Acknowledge
		if _, err := conn.SendMessages(batch); err != nil {
			return added, err
		}
		_, err := conn.Receive()
		if errors.Is(err, unix.ENOMEM) { // nf_conntrack_alloc: full, and nothing to evict
			return added, nil
		}
		if err != nil {
			return added, err
		}
		added += len(batch)
	}
	return added, nil
}

// Attributes of IPCTNL_MSG_CT_NEW (include/uapi/linux/netfilter/nfnetlink_conntrack.h).
const (
	ctaTupleOrig  = 1
	ctaTupleReply = 2
	ctaStatus     = 3
	ctaTimeout    = 7
	ctaTupleIP    = 1
	ctaTupleProto = 2
	ctaIPv4Src    = 1
	ctaIPv4Dst    = 2
	ctaProtoNum   = 1
	ctaProtoSrc   = 2
	ctaProtoDst   = 3

	ipsSeenReply = 1 << 1
	ipsAssured   = 1 << 2
	ipsConfirmed = 1 << 3 // of an entry in the table; leaving it out would ask to unset it
)

// newEntry is the message that makes one assured entry of a UDP flow between a source, by its number, and the server.
func newEntry(source uint32, server netip.Addr, life time.Duration) netlink.Message {
	src := binary.BigEndian.AppendUint32(nil, fillFirst+source%fillHosts)
	port := uint16(fillPort + source/fillHosts)
	dst := server.AsSlice()
	data := []byte{unix.AF_INET, unix.NFNETLINK_V0, 0, 0} // struct nfgenmsg
	data = slices.Concat(data,
		tuple(ctaTupleOrig, src, dst, port, fillPort),
		tuple(ctaTupleReply, dst, src, fillPort, port),
		attribute(ctaStatus, binary.BigEndian.AppendUint32(nil, ipsSeenReply|ipsAssured|ipsConfirmed)),
		attribute(ctaTimeout, binary.BigEndian.AppendUint32(nil, uint32(life/time.Second))),
	)
	return netlink.Message{
		Header: netlink.Header{
			Type:  unix.NFNL_SUBSYS_CTNETLINK << 8, // and IPCTNL_MSG_CT_NEW, which is 0
			Flags: netlink.Request | netlink.Create | netlink.Excl,
		},
		Data: data,
	}
}

func tuple(kind uint16, src, dst []byte, from, to uint16) []byte {
	port := func(p uint16) []byte { return binary.BigEndian.AppendUint16(nil, p) }
	return attribute(unix.NLA_F_NESTED|kind,
		attribute(unix.NLA_F_NESTED|ctaTupleIP, attribute(ctaIPv4Src, src), attribute(ctaIPv4Dst, dst)),
		attribute(unix.NLA_F_NESTED|ctaTupleProto,
			attribute(ctaProtoNum, []byte{unix.IPPROTO_UDP}), attribute(ctaProtoSrc, port(from)), attribute(ctaProtoDst, port(to))))
}

// attribute encodes a netlink attribute, padded to four bytes.
func attribute(kind uint16, parts ...[]byte) []byte {
	b := make([]byte, unix.NLA_HDRLEN, 64)
	for _, p := range parts {
		b = append(b, p...)
	}
	binary.NativeEndian.PutUint16(b, uint16(len(b)))
	binary.NativeEndian.PutUint16(b[2:], kind)
	for len(b)%unix.NLA_ALIGNTO != 0 {
		b = append(b, 0)
	}
	return b
}
