package lab

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
)

// Unprivileged makes cmd, which must not have been started, run as the root of a user namespace with network and mount
// namespaces of its own, which is enough for Up. It is how a caller without root runs itself again. What such a lab
// cannot do, Lab.Warnings says. Where user namespaces are forbidden, cmd.Start or Up fails; Forbidden says why.
func Unprivileged(cmd *exec.Cmd) {
	attr := attributes(cmd)
	attr.Cloneflags |= syscall.CLONE_NEWUSER | syscall.CLONE_NEWNS | syscall.CLONE_NEWNET
	mapIDs(attr, 0, os.Geteuid(), os.Getegid())
}

// AsCaller makes cmd run as the user whom Unprivileged made a root of: servers that give up root's rights, by becoming
// another user, could not do so where there is no other. It does nothing elsewhere. The process has no rights over the
// lab, but it may open every port.
func AsCaller(cmd *exec.Cmd) {
	uid, ok := Caller()
	gid, ok2 := caller("/proc/self/gid_map")
	if !ok || !ok2 {
		return
	}
	attr := attributes(cmd)
	attr.Cloneflags |= syscall.CLONE_NEWUSER
	mapIDs(attr, uid, 0, 0)
	attr.GidMappings[0].ContainerID = gid
}

// Caller is the user id of whoever Unprivileged made a root of, if this process is one.
func Caller() (uid int, ok bool) {
	uid, ok = caller("/proc/self/uid_map")
	return uid, ok && uid != 0
}

// attributes gives cmd attributes of its own, a copy of those that it had.
func attributes(cmd *exec.Cmd) *syscall.SysProcAttr {
	var attr syscall.SysProcAttr
	if cmd.SysProcAttr != nil {
		attr = *cmd.SysProcAttr
	}
	cmd.SysProcAttr = &attr
	return &attr
}

func mapIDs(attr *syscall.SysProcAttr, inside, uid, gid int) {
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: inside, HostID: uid, Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: inside, HostID: gid, Size: 1}}
}

// caller reads from an id map (user_namespaces(7)) whom Unprivileged mapped: root, alone, to one id outside.
func caller(path string) (id int, ok bool) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, false
	}
	var inside, size int
	n, err := fmt.Sscan(string(text), &inside, &id, &size)
	return id, err == nil && n == 3 && inside == 0 && size == 1 && bytes.Count(text, []byte("\n")) == 1
}

// InUserNamespace reports whether this process is in another user namespace than the first, where root has less to say:
// whether its user ids are mapped.
func InUserNamespace() bool {
	text, err := os.ReadFile("/proc/self/uid_map")
	return err == nil && strings.Join(strings.Fields(string(text)), " ") != "0 0 4294967295"
}

// Forbidden says what on this machine forbids Unprivileged, and the mend. It is empty if no setting of the kernel's does;
// what is left then is a filter of system calls (seccomp), as containers have, or a security module.
func Forbidden() string {
	return forbidden(func(sysctl string) string {
		text, _ := os.ReadFile(filepath.Join("/proc/sys", strings.ReplaceAll(sysctl, ".", "/"))) // there may be none
		return strings.TrimSpace(string(text))
	})
}

func forbidden(read func(sysctl string) string) string {
	for _, c := range []struct{ sysctl, bad, good, who string }{
		{"user.max_user_namespaces", "0", "10000", ""},
		{"user.max_mnt_namespaces", "0", "10000", ""},
		{"user.max_net_namespaces", "0", "10000", ""},
		{"kernel.unprivileged_userns_clone", "0", "1", " (Debian's kernel)"},
		{"kernel.apparmor_restrict_unprivileged_userns", "1", "0", " (Ubuntu's AppArmor)"},
	} {
		if read(c.sysctl) == c.bad {
			return fmt.Sprintf("%s is %s%s: sudo sysctl -w %s=%s permits user namespaces", c.sysctl, c.bad, c.who, c.sysctl, c.good)
		}
	}
	return ""
}
