package udp

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// The way into the kernel, and why.
//
// RawSyscall6 does not tell Go's scheduler. So the thread cannot lose its processor to another goroutine,
// or to a thread that looks for one, in the middle of a batch, and then have to sleep until it gets it
// back. The price: to stop the world, the garbage collector must wait for the call to return. recvmmsg
// and sendmmsg with MSG_DONTWAIT do not sleep, so that is the time one batch takes, as if the loop over
// it were written in Go; Options.Batch bounds it.
//
// Measured on Linux 6.18, 2 vCPU, loopback (where sendmmsg does the receiving side's work too): with
// Syscall6 in their place a thread gives up its CPU 5 to 20 times as often, and uses up to a third more
// CPU time a datagram with GOMAXPROCS=1 and batches of one, 0 to 10 % otherwise. Stopping the world then
// takes 1 µs in the median; with RawSyscall6 0.2 ms at a batch of 64 (99th percentile 0.5 ms), and
// 0.9 ms at 1024 (2.6 ms). The collector runs seldom in a program that does not allocate, and it is the
// other goroutines that wait for it, not the one that is in the call.
//
// To wait is another matter: in a raw call the thread keeps a processor, and the collector, for as long as nothing
// arrives. So a wait begins with a nap of some milliseconds in a raw ppoll, which on a node that is asked something is
// the whole of it. A collector that is in a hurry interrupts the call by a signal. The rest of a long wait is spent
// parked (park_linux.go). Syscall6 would be right for neither: Go's monitor thread takes the processor from every call
// that it finds waiting, once the goroutine has run for 10 ms, and then looks again every 20 µs.

// onCall is told of each of the following calls before it is made. Tests set it, nothing else does; to ask whether it is
// set is one load that is always in the cache.
var onCall func(name string)

func called(name string) {
	if onCall != nil {
		onCall(name)
	}
}

// recvmmsg receives what is there, without waiting.
func recvmmsg(fd int, headers []mmsghdr) (int, syscall.Errno) {
	called("recvmmsg")
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(headers))), uintptr(len(headers)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// sendmmsg sends headers up to the first that is refused, without waiting. The error is that of
// headers[0]: when some were sent, the next call learns what was wrong with the one after them.
func sendmmsg(fd int, headers []mmsghdr) (int, syscall.Errno) {
	called("sendmmsg")
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDMMSG, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(headers))), uintptr(len(headers)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// ppollNap is ppoll for a short wait, of which the scheduler is not told. Unlike the C library's, the kernel's ppoll takes
// from limit the time that was waited, also when a signal interrupts it. Calling this again then, and not finding it
// inlined, is where the collector gets the goroutine.
//
//go:noinline
func ppollNap(fds []unix.PollFd, limit *unix.Timespec) (int, syscall.Errno) {
	called("ppoll")
	n, _, errno := unix.RawSyscall6(unix.SYS_PPOLL, uintptr(unsafe.Pointer(unsafe.SliceData(fds))),
		uintptr(len(fds)), uintptr(unsafe.Pointer(limit)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), 0
}

// notify makes an eventfd readable. It can fail only when the counter is full, and then it is readable.
func notify(event int) {
	one := uint64(1)
	unix.RawSyscall(unix.SYS_WRITE, uintptr(event), uintptr(unsafe.Pointer(&one)), unsafe.Sizeof(one))
}

// reset makes an eventfd unreadable. It does not wait, as the eventfd is made with EFD_NONBLOCK.
func reset(event int) {
	var count uint64
	unix.RawSyscall(unix.SYS_READ, uintptr(event), uintptr(unsafe.Pointer(&count)), unsafe.Sizeof(count))
}
