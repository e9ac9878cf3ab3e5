package udp

import (
	"errors"
	"os"
	"sync/atomic"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// txRing is a packet socket that only sends, to one link, with the memory that it shares with the kernel: a ring of slots
// of one frame each (packet(7), PACKET_TX_RING; Documentation/networking/packet_mmap.rst). A slot is ours while it is
// available, then the kernel's from request until whoever got the frame is done with it.
//
// The frames are copied from the ring all the same, right behind the header of the kernel's buffer: the offload header asks
// for that. Lent from the ring, they would have to be copied by a link that keeps a frame for longer than the call, as veth
// does until its receiver gets to it, and then to a page of its own each (skb_orphan_frags, net/core/skbuff.c).
type txRing struct {
	fd     int
	memory []byte
	next   int // slot to be filled next
}

const (
	// A slot holds the kernel's header and a frame of any datagram; in cache lines no power of two, see MaxDatagram.
	slotSize      = 26 * 64
	blockSize     = 1 << 16
	slotsPerBlock = blockSize / slotSize
	blocks        = 26
	// ringSlots is what can be on its way at most: more than a veth holds, which drops what is beyond 256. Only a receiver
	// that stops altogether keeps a slot until the ring has gone round; what finds its slot taken is lost then.
	ringSlots = blocks * slotsPerBlock

	frameOffset = (unix.SizeofTpacket2Hdr + 15) &^ 15 // TPACKET_ALIGN
	lengthField = 4                                   // tp_len of struct tpacket2_hdr, after tp_status

	slotAvailable = 0 // TP_STATUS_AVAILABLE
	slotRequest   = 1 // TP_STATUS_SEND_REQUEST
)

// openRing opens the ring of a link.
func openRing(link, sendBuffer int) (*txRing, error) {
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0) // protocol 0 receives nothing
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	r := &txRing{fd: fd}
	for _, option := range []struct {
		name          string
		number, value int
	}{
		{"PACKET_VERSION", unix.PACKET_VERSION, unix.TPACKET_V2},
		{"PACKET_QDISC_BYPASS", unix.PACKET_QDISC_BYPASS, 1},
		{"PACKET_VNET_HDR", unix.PACKET_VNET_HDR, 1},
		{"PACKET_LOSS", unix.PACKET_LOSS, 1}, // skip spoiled frames
	} {
		if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, option.number, option.value); err != nil {
			return nil, errors.Join(os.NewSyscallError("setsockopt "+option.name, err), r.close())
		}
	}
	s := socket{fd: fd}
	if err := s.setBuffers(Options{SendBuffer: sendBuffer}); err != nil {
		return nil, errors.Join(err, r.close())
	}
	if err := unix.SetsockoptTpacketReq(fd, unix.SOL_PACKET, unix.PACKET_TX_RING, &unix.TpacketReq{
		Block_size: blockSize, Block_nr: blocks, Frame_size: slotSize, Frame_nr: ringSlots,
	}); err != nil {
		return nil, errors.Join(os.NewSyscallError("setsockopt PACKET_TX_RING", err), r.close())
	}
	if r.memory, err = unix.Mmap(fd, 0, blocks*blockSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err != nil {
		return nil, errors.Join(os.NewSyscallError("mmap", err), r.close())
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Ifindex: link}); err != nil {
		return nil, errors.Join(os.NewSyscallError("bind", err), r.close())
	}
	return r, nil
}

// slot is slot number i, which may be beyond the ring's end by less than a round.
func (r *txRing) slot(i int) []byte {
	if i >= ringSlots {
		i -= ringSlots
	}
	start := i/slotsPerBlock*blockSize + i%slotsPerBlock*slotSize
	return r.memory[start : start+slotSize : start+slotSize]
}

// status is the word by which we and the kernel hand each other a slot.
func status(slot []byte) *uint32 { return (*uint32)(unsafe.Pointer(unsafe.SliceData(slot))) }

func isStatus(slot []byte, want uint32) bool { return atomic.LoadUint32(status(slot)) == want }

// room returns where the next frame is to be written, or nil if its slot is still on its way.
func (r *txRing) room() []byte {
	slot := r.slot(r.next)
	if !isStatus(slot, slotAvailable) {
		return nil
	}
	return slot[frameOffset:]
}

// add hands the kernel the frame of so many bytes that was written to room.
func (r *txRing) add(length int) {
	slot := r.slot(r.next)
	*(*uint32)(unsafe.Pointer(&slot[lengthField])) = uint32(length)
	atomic.StoreUint32(status(slot), slotRequest)
	if r.next++; r.next == ringSlots {
		r.next = 0
	}
}

// payload is how many bytes of payload the frame in slot i has.
func (r *txRing) payload(i int) int {
	slot := r.slot(i)
	headers := headers6
	if slot[frameOffset+offloadSize+ethernetSize]>>4 == 4 {
		headers = headers4
	}
	return int(*(*uint32)(unsafe.Pointer(&slot[lengthField]))) - headers
}

// flush has the kernel send, once. It stops at the first frame that the link refuses, which pending then finds.
func (r *txRing) flush() syscall.Errno {
	called("sendto")
	_, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(r.fd), 0, 0, unix.MSG_DONTWAIT, 0, 0)
	return errno
}

// pending returns the first of n slots from number first that the kernel has not taken, or n if it has taken all.
func (r *txRing) pending(first, n int) int {
	if n == 0 || !isStatus(r.slot(first+n-1), slotRequest) { // it takes them in order
		return n
	}
	for i := range n {
		if isStatus(r.slot(first+i), slotRequest) {
			return i
		}
	}
	return n
}

// spoil has the kernel skip a frame that it has refused, or it would try that one again and nothing behind it: more of it is
// to be copied than there is (packet_snd_vnet_parse, net/packet/af_packet.c).
func (r *txRing) spoil(i int) {
	frame := r.slot(i)[frameOffset:]
	frame[offloadHeader], frame[offloadHeader+1] = 0xff, 0xff
}

func (r *txRing) close() error {
	var errs []error
	if r.memory != nil {
		errs = append(errs, os.NewSyscallError("munmap", unix.Munmap(r.memory)))
	}
	return errors.Join(append(errs, os.NewSyscallError("close", unix.Close(r.fd)))...)
}
