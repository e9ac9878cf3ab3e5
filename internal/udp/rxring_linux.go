package udp

import (
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// rxRing is an AF_XDP socket that only receives, from the first queue of one link, with the memory that it shares with the
// kernel (Documentation/networking/af_xdp.rst): frames, a ring of descriptors of those that have been filled, and one of the
// addresses of those that are to be. A frame is the kernel's from the fill ring until it stands in the receive ring.
type rxRing struct {
	fd       int
	frames   []byte
	received sharedRing // of unix.XDPDesc; the kernel produces
	fill     sharedRing // of uint64; we produce
}

// sharedRing is one of its rings. Both sides count without end; the place of entry i is i modulo the size.
type sharedRing struct {
	memory             []byte
	producer, consumer *uint32
	entries            unsafe.Pointer
	next               uint32 // our own count
}

const (
	// rxEntries are the places of a ring; the kernel wants a power of two.
	rxEntries = 4096
	// rxFrames are as many answers as can wait while their reader has not got its processor: as many as fit into the 8 MiB that
	// a process may lock in memory without being root, as things are.
	rxFrames = 3968
	// A frame is preceded by what the kernel keeps for programs that put headers in front. In cache lines it is no power of two,
	// see MaxDatagram, for which the kernel wants XDP_UMEM_UNALIGNED_CHUNK_FLAG.
	rxFrameSize = 33 * 64
	// longestFrame is what of a frame can be received.
	longestFrame = rxFrameSize - unix.XDP_PACKET_HEADROOM

	// The address in a descriptor: that of the frame, and above it where in the frame the data begins.
	offsetShift = 48                 // XSK_UNALIGNED_BUF_OFFSET_SHIFT
	addressMask = 1<<offsetShift - 1 // XSK_UNALIGNED_BUF_ADDR_MASK
)

// openRxRing opens the socket, not yet bound.
func openRxRing() (*rxRing, error) {
	fd, err := unix.Socket(unix.AF_XDP, unix.SOCK_RAW|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	r := &rxRing{fd: fd}
	if err := r.share(); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// share makes the memory, and gives all frames to the kernel.
func (r *rxRing) share() (err error) {
	if r.frames, err = unix.Mmap(-1, 0, rxFrames*rxFrameSize, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_PRIVATE|unix.MAP_ANONYMOUS); err != nil {
		return os.NewSyscallError("mmap", err)
	}
	area := unix.XDPUmemReg{
		Addr: uint64(uintptr(unsafe.Pointer(unsafe.SliceData(r.frames)))), Len: uint64(len(r.frames)), Size: rxFrameSize,
		Flags: unix.XDP_UMEM_UNALIGNED_CHUNK_FLAG,
	}
	if _, _, errno := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(r.fd), unix.SOL_XDP, unix.XDP_UMEM_REG,
		uintptr(unsafe.Pointer(&area)), unsafe.Sizeof(area), 0); errno != 0 {
		return os.NewSyscallError("setsockopt XDP_UMEM_REG", errno)
	}
	for _, ring := range []struct {
		name         string
		option, size int
	}{
		{"XDP_UMEM_FILL_RING", unix.XDP_UMEM_FILL_RING, rxEntries},
		{"XDP_UMEM_COMPLETION_RING", unix.XDP_UMEM_COMPLETION_RING, 2}, // of what was sent, which is nothing; the kernel wants it
		{"XDP_RX_RING", unix.XDP_RX_RING, rxEntries},
	} {
		if err := unix.SetsockoptInt(r.fd, unix.SOL_XDP, ring.option, ring.size); err != nil {
			return os.NewSyscallError("setsockopt "+ring.name, err)
		}
	}
	var at unix.XDPMmapOffsets
	if errno := r.ask(unix.XDP_MMAP_OFFSETS, unsafe.Pointer(&at), unsafe.Sizeof(at)); errno != 0 {
		return os.NewSyscallError("getsockopt XDP_MMAP_OFFSETS", errno)
	}
	if r.received, err = mapRing(r.fd, unix.XDP_PGOFF_RX_RING, at.Rx, unsafe.Sizeof(unix.XDPDesc{})); err != nil {
		return err
	}
	if r.fill, err = mapRing(r.fd, unix.XDP_UMEM_PGOFF_FILL_RING, at.Fr, unsafe.Sizeof(uint64(0))); err != nil {
		return err
	}
	for i := range uint64(rxFrames) {
		r.give(i * rxFrameSize)
	}
	atomic.StoreUint32(r.fill.producer, r.fill.next)
	return nil
}

// ask reads an option that is a struct of size bytes.
func (r *rxRing) ask(option uintptr, value unsafe.Pointer, size uintptr) syscall.Errno {
	length := uint32(size)
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(r.fd), unix.SOL_XDP, option, uintptr(value), uintptr(unsafe.Pointer(&length)), 0)
	return errno
}

// mapRing maps a ring of rxEntries entries of so many bytes.
func mapRing(fd int, offset int64, at unix.XDPRingOffset, entry uintptr) (s sharedRing, err error) {
	s.memory, err = unix.Mmap(fd, offset, int(at.Desc)+rxEntries*int(entry), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_POPULATE)
	if err != nil {
		return s, os.NewSyscallError("mmap ring", err)
	}
	s.producer = (*uint32)(unsafe.Pointer(&s.memory[at.Producer]))
	s.consumer = (*uint32)(unsafe.Pointer(&s.memory[at.Consumer]))
	s.entries = unsafe.Pointer(&s.memory[at.Desc])
	return s, nil
}

// bind has the kernel put into the ring what a program redirects of the link's first queue, by copying, as every driver can. Of
// a socket that has just been closed the queue is free a little later only (xp_put_pool, net/xdp/xsk_buff_pool.c).
func (r *rxRing) bind(ifindex int) error {
	const queue, patience, pause = 0, time.Second, 5 * time.Millisecond
	for end := time.Now().Add(patience); ; time.Sleep(pause) {
		err := unix.Bind(r.fd, &unix.SockaddrXDP{Flags: unix.XDP_COPY, Ifindex: uint32(ifindex), QueueID: queue})
		switch {
		case err != unix.EBUSY:
			return os.NewSyscallError("bind", err)
		case time.Now().After(end):
			return fmt.Errorf("%w: another AF_XDP socket has the link's first queue, perhaps of another run", os.NewSyscallError("bind", err))
		}
	}
}

// waiting is how many frames have been received and not been returned.
func (r *rxRing) waiting() int { return int(atomic.LoadUint32(r.received.producer) - r.received.next) }

// front returns the next of the frames that are waiting, of which there must be one. It is valid until giveBack.
func (r *rxRing) front() []byte {
	d := r.descriptor()
	start := d.Addr&addressMask + d.Addr>>offsetShift
	return r.frames[start : start+uint64(d.Len)]
}

// take takes that frame out of the ring.
func (r *rxRing) take() {
	r.give(r.descriptor().Addr & addressMask)
	r.received.next++
}

func (r *rxRing) descriptor() *unix.XDPDesc {
	return &(*[rxEntries]unix.XDPDesc)(r.received.entries)[r.received.next%rxEntries]
}

// give puts a frame into the fill ring, in which there is always room for all. The kernel sees it after giveBack.
func (r *rxRing) give(frame uint64) {
	(*[rxEntries]uint64)(r.fill.entries)[r.fill.next%rxEntries] = frame
	r.fill.next++
}

// giveBack lets the kernel have again what has been taken.
func (r *rxRing) giveBack() {
	atomic.StoreUint32(r.received.consumer, r.received.next)
	atomic.StoreUint32(r.fill.producer, r.fill.next)
}

// drops is how many frames have been redirected to the socket and found no room.
func (r *rxRing) drops() uint64 {
	var s unix.XDPStatistics
	if r.ask(unix.XDP_STATISTICS, unsafe.Pointer(&s), unsafe.Sizeof(s)) != 0 {
		return 0
	}
	return s.Rx_dropped + s.Rx_ring_full
}

// unmap gives the memory back; the descriptor is for the caller to close, first.
func (r *rxRing) unmap() error {
	var errs []error
	for _, memory := range [][]byte{r.received.memory, r.fill.memory, r.frames} {
		if memory != nil {
			errs = append(errs, os.NewSyscallError("munmap", unix.Munmap(memory)))
		}
	}
	return errors.Join(errs...)
}

func (r *rxRing) close() error {
	return errors.Join(os.NewSyscallError("close", unix.Close(r.fd)), r.unmap())
}
