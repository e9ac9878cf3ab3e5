package lab

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

var sides = [...]Side{Server, Client}

// Lab owns what Up made. Its methods may be called by several goroutines.
type Lab struct {
	spec     Spec
	id       identity
	v6       bool
	warnings []string
	shared   []string
	ends     [2]end
	cores    cores

	mu     sync.Mutex // guards all below
	closed bool
	port   uint16 // of the last SetRules
	filled uint64 // sources that FillTable has used since
	procs  map[*proc]struct{}
}

// end is one side of a lab.
type end struct {
	ns       int             // network namespace, a file descriptor; -1 before it is made
	nl       *netlink.Handle // route netlink inside it
	dev      string
	link, lo netlink.Link
	napi     int // kernel thread id
	pinned   bool
}

// autoName numbers the labs of this process that were not given a name.
var autoName atomic.Uint64

// Up removes what dead owners left behind, and then makes the lab. On an error, ctx's end included, nothing of it is
// left.
func Up(ctx context.Context, s Spec) (*Lab, error) {
	if err := s.Validate(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("set up lab: %w", err)
	}
	if err := prepareDir(); err != nil {
		return nil, err
	}
	if _, err := sweep(func(id identity) bool { return !id.kept && !id.ownerAlive() }); err != nil {
		return nil, fmt.Errorf("remove stale lab: %w", err)
	}
	start, err := ownStart()
	if err != nil {
		return nil, err
	}
	if s.Name == "" {
		s.Name = strconv.FormatUint(autoName.Add(1), 10)
	}
	l := &Lab{
		spec: s, v6: hasIPv6(), procs: make(map[*proc]struct{}),
		id: identity{kept: s.Keep, pid: os.Getpid(), start: start, name: s.Name},
	}
	l.ends[Server].ns, l.ends[Client].ns = -1, -1
	l.shared = sharedCores(l.cores.occupy(coreDirs, s.ServerCPU, s.ClientCPU))
	if !l.v6 {
		l.warnings = append(l.warnings, "no IPv6: this kernel has it switched off")
	}
	if err := l.realise(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("set up lab: %w", err), l.Close())
	}
	return l, nil
}

func (l *Lab) realise(ctx context.Context) error {
	steps := []func() error{
		func() error { return l.createEnd(Server) },
		func() error { return l.createEnd(Client) },
		l.nameDevices,
		l.createLinks,
		func() error { return l.tune(Server) },
		func() error { return l.tune(Client) },
		func() error { return l.raise(ctx) },
		l.address,
		func() error { return l.threadNAPI(ctx, Server) },
		func() error { return l.threadNAPI(ctx, Client) },
	}
	for _, step := range steps {
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := step(); err != nil {
			return err
		}
	}
	if l.spec.PinNAPI && !l.Pinned() {
		l.warnings = append(l.warnings, "the receive threads run on any core: pinning a kernel thread needs root outside a user namespace")
	}
	return nil
}

func (l *Lab) createEnd(side Side) error {
	e := &l.ends[side]
	var err error
	if e.ns, err = createNetns(l.id.namespace(side)); err != nil {
		return err
	}
	if e.nl, err = netlink.NewHandleAt(netns.NsHandle(e.ns), unix.NETLINK_ROUTE); err != nil {
		return fmt.Errorf("open netlink of the %s: %w", side, err)
	}
	return nil
}

func (l *Lab) nameDevices() error {
	names, err := deviceNames(l.ends[Server].ns)
	l.ends[Server].dev, l.ends[Client].dev = names[Server], names[Client]
	return err
}

// prepareDir makes the directory of named namespaces. The root of a user namespace may not write to the host's; it
// covers it, in the mount namespace that it must have of its own, where the kernel keeps it from anybody else's.
func prepareDir() error {
	err := os.MkdirAll(netnsDir, 0o755)
	if err == nil {
		err = unix.Access(netnsDir, unix.W_OK)
	}
	if err != nil && InUserNamespace() {
		// Only if there is nothing to cover is all of /run hidden, which may hold programs (NixOS).
		cover := netnsDir
		if _, missing := os.Stat(netnsDir); missing != nil {
			cover = filepath.Dir(netnsDir)
		}
		if unix.Mount("tmpfs", cover, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755") == nil {
			err = os.MkdirAll(netnsDir, 0o755)
		}
	}
	if err != nil {
		return fmt.Errorf("prepare %s: run as root, or in user, network and mount namespaces of your own (unshare -Urnm): %w", netnsDir, err)
	}
	return nil
}

// Spec returns the description the lab was made from, with the name filled in.
func (l *Lab) Spec() Spec { return l.spec }

// Warnings says what could not be done and what it means for a measurement, one sentence each.
func (l *Lab) Warnings() []string { return l.warnings[:len(l.warnings):len(l.warnings)] }

// Shared names, one sentence each, the processes that had made labs on the same cores before and still have them.
func (l *Lab) Shared() []string { return l.shared[:len(l.shared):len(l.shared)] }

// ServerEndpoint is where the client reaches the server.
func (l *Lab) ServerEndpoint() netip.AddrPort {
	return netip.AddrPortFrom(l.spec.ServerAddr4.Addr(), ServerPort)
}

// ServerEndpoint6 is the same for IPv6.
func (l *Lab) ServerEndpoint6() netip.AddrPort {
	return netip.AddrPortFrom(l.spec.ServerAddr6.Addr(), ServerPort)
}

// Namespace is the side's name under /run/netns, for `ip netns exec`.
func (l *Lab) Namespace(side Side) string { return l.id.namespace(side) }

// Pinned reports whether the receive threads were pinned to their sides' cores.
func (l *Lab) Pinned() bool { return l.ends[Server].pinned && l.ends[Client].pinned }

// NAPI is the id of the kernel thread that does the side's receive work.
func (l *Lab) NAPI(side Side) int { return l.ends[side].napi }

func (l *Lab) cpu(side Side) int {
	if side == Server {
		return l.spec.ServerCPU
	}
	return l.spec.ClientCPU
}

// Do runs f inside the side's network namespace, on a thread of its own that ends with f, and returns what f returns.
// Only f's own goroutine is there: goroutines it starts are not. Sockets that f opens stay in the namespace and work
// from every goroutine; those that are not closed keep the namespace alive, nameless and without a link, after Close.
func (l *Lab) Do(side Side, f func() error) error {
	ns, err := l.enter(side)
	if err != nil {
		return err
	}
	defer unix.Close(ns)
	return inside(ns, f)
}

// enter returns the side's namespace as a descriptor of the caller's own, which Close cannot pull away.
func (l *Lab) enter(side Side) (ns int, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return -1, errClosed
	}
	ns, err = unix.FcntlInt(uintptr(l.ends[side].ns), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return -1, fmt.Errorf("open network namespace of the %s: %w", side, err)
	}
	return ns, nil
}

var errClosed = fmt.Errorf("use lab: %w", fs.ErrClosed)

// Close kills every process in the namespaces, removes the link with its kernel threads, and both namespaces. It goes
// on after an error and returns all there were. Calling it again does nothing.
func (l *Lab) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return nil
	}
	l.closed = true
	defer l.cores.free()

	var errs []error
	for p := range l.procs {
		errs = append(errs, p.kill())
	}
	for _, side := range sides {
		e := &l.ends[side]
		if e.ns < 0 {
			continue
		}
		errs = append(errs, emptyNetns(e.ns), removeName(l.id.namespace(side)))
		if e.nl != nil {
			e.nl.Close()
		}
		errs = append(errs, unix.Close(e.ns))
	}
	return errors.Join(errs...)
}
