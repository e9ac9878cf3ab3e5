package lab

import (
	"fmt"
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// ethtoolValue is struct ethtool_value (include/uapi/linux/ethtool.h).
type ethtoolValue struct{ cmd, data uint32 }

// ifreqData is struct ifreq (include/uapi/linux/if.h) with a pointer in its union, which is 24 bytes long.
type ifreqData struct {
	name [unix.IFNAMSIZ]byte
	data unsafe.Pointer
	_    [24 - unsafe.Sizeof(uintptr(0))]byte
}

// setOffloads sets what threaded NAPI on veth needs (see the package documentation) on a device of the calling
// thread's namespace: GRO on, TSO off. GSO goes off too, so that no super-packet crosses, which connection tracking
// would count as one.
func setOffloads(dev string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return fmt.Errorf("open socket for ethtool: %w", err)
	}
	defer unix.Close(fd)
	for _, o := range []struct {
		name string
		v    ethtoolValue
	}{
		{"tso off", ethtoolValue{unix.ETHTOOL_STSO, 0}},
		{"gso off", ethtoolValue{unix.ETHTOOL_SGSO, 0}},
		{"gro on", ethtoolValue{unix.ETHTOOL_SGRO, 1}},
	} {
		var req ifreqData
		copy(req.name[:unix.IFNAMSIZ-1], dev)
		req.data = unsafe.Pointer(&o.v)
		_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&req)))
		runtime.KeepAlive(&o.v)
		if errno != 0 {
			return fmt.Errorf("set %s on %s: %w", o.name, dev, errno)
		}
	}
	return nil
}
