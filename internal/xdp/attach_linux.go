package xdp

import (
	"errors"
	"fmt"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sys/unix"
)

// attachment is a program at an interface, and the map that it needs, if it needs one.
type attachment struct {
	sockets *ebpf.Map
	program *ebpf.Program
	link    link.Link
}

// open loads the program and attaches it. After an error nothing is left.
func (a *attachment) open(ifindex int, p asm.Instructions) error {
	var err error
	a.program, err = ebpf.NewProgram(&ebpf.ProgramSpec{Name: "supernode", Type: ebpf.XDP, License: "Apache-2.0", Instructions: p})
	if err == nil {
		err = a.attach(ifindex)
	}
	if err != nil {
		return a.fail(err)
	}
	return nil
}

// attach has the driver run the program, or else, as where the MTU is too long for that, the kernel right behind the driver.
func (a *attachment) attach(ifindex int) (err error) {
	options := link.XDPOptions{Program: a.program, Interface: ifindex}
	if a.link, err = link.AttachXDP(options); err == nil || taken(err) || denied(err) {
		return err
	}
	options.Flags = link.XDPGenericMode // which the kernel takes by itself only where the driver knows nothing of XDP
	var again error
	if a.link, again = link.AttachXDP(options); again != nil {
		return fmt.Errorf("%w; behind the driver: %w", err, again)
	}
	return nil
}

// fail closes what there is, and says what to do.
func (a *attachment) fail(err error) error {
	mend := ""
	switch {
	case denied(err):
		mend = ": it needs CAP_NET_ADMIN and CAP_BPF, before Linux 6.6 CAP_PERFMON too: run as root"
	case taken(err):
		mend = ": the interface has an XDP program already, of another program or another run of this one: see ip link"
	}
	return errors.Join(fmt.Errorf("attach XDP program: %w%s", err, mend), a.Close())
}

func taken(err error) bool { return errors.Is(err, unix.EBUSY) || errors.Is(err, unix.EEXIST) }

// denied says whether a capability is missing; EACCES is the verifier's, before Linux 6.6.
func denied(err error) bool { return errors.Is(err, unix.EPERM) || errors.Is(err, unix.EACCES) }

// Close detaches the program.
func (a *attachment) Close() error {
	var errs []error
	if a.link != nil {
		errs = append(errs, a.link.Close())
	}
	if a.program != nil {
		errs = append(errs, a.program.Close())
	}
	if a.sockets != nil {
		errs = append(errs, a.sockets.Close())
	}
	return errors.Join(errs...)
}
