package lab

import (
	"os"
	"os/exec"
	"syscall"
)

// Unprivileged makes cmd, which must not have been started, run as the root of a user namespace with network and mount
// namespaces of its own, which is enough for Up. It is how a caller without root runs itself again. What such a lab
// cannot do, Lab.Warnings says. Where the kernel forbids user namespaces (user.max_user_namespaces, or a security
// module), cmd.Start fails.
func Unprivileged(cmd *exec.Cmd) {
	var attr syscall.SysProcAttr
	if cmd.SysProcAttr != nil {
		attr = *cmd.SysProcAttr
	}
	attr.Cloneflags |= syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Geteuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getegid(), Size: 1}}
	cmd.SysProcAttr = &attr
}
