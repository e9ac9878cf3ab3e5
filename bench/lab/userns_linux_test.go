package lab

import (
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestForbidden(t *testing.T) {
	for _, c := range []struct {
		name    string
		sysctls map[string]string
		want    string
	}{
		{"nothing is known", nil, ""},
		{"permitted", map[string]string{"user.max_user_namespaces": "96365", "kernel.unprivileged_userns_clone": "1",
			"kernel.apparmor_restrict_unprivileged_userns": "0"}, ""},
		{"none at all", map[string]string{"user.max_user_namespaces": "0"},
			"user.max_user_namespaces is 0: sudo sysctl -w user.max_user_namespaces=10000 permits user namespaces"},
		{"no network namespaces", map[string]string{"user.max_user_namespaces": "9", "user.max_net_namespaces": "0"},
			"user.max_net_namespaces is 0: sudo sysctl -w user.max_net_namespaces=10000 permits user namespaces"},
		{"Debian", map[string]string{"kernel.unprivileged_userns_clone": "0"},
			"kernel.unprivileged_userns_clone is 0 (Debian's kernel): sudo sysctl -w kernel.unprivileged_userns_clone=1 permits user namespaces"},
		{"Ubuntu", map[string]string{"kernel.apparmor_restrict_unprivileged_userns": "1"},
			"kernel.apparmor_restrict_unprivileged_userns is 1 (Ubuntu's AppArmor): sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0 permits user namespaces"},
	} {
		require.Equal(t, c.want, forbidden(func(sysctl string) string { return c.sysctls[sysctl] }), c.name)
	}
}

func TestCaller(t *testing.T) {
	for _, c := range []struct {
		idMap string
		id    int
		ok    bool
	}{
		{"         0       1000          1\n", 1000, true},
		{"         0          0 4294967295\n", 0, false}, // the first user namespace
		{"0 1000 1\n1 100000 65536\n", 0, false},         // a container's, in which there are other users to become
		{"1000 0 1\n", 0, false},                         // what AsCaller makes
		{"", 0, false},
		{"nobody\n", 0, false},
	} {
		path := filepath.Join(t.TempDir(), "map")
		require.NoError(t, os.WriteFile(path, []byte(c.idMap), 0o600))
		id, ok := caller(path)
		require.Equal(t, c.ok, ok, c.idMap)
		if ok {
			require.Equal(t, c.id, id)
		}
	}
	id, ok := caller("/nonexistent")
	require.False(t, ok, "%d", id)
}

// Attributes that a command has already stay with it, and are not shared with the command that they are from.
func TestUnprivilegedKeepsAttributes(t *testing.T) {
	cmd := exec.Command("/bin/true")
	cmd.SysProcAttr = &unix.SysProcAttr{Setpgid: true}
	before := cmd.SysProcAttr
	Unprivileged(cmd)
	require.True(t, cmd.SysProcAttr.Setpgid)
	require.Zero(t, before.Cloneflags)
	require.Equal(t, os.Geteuid(), cmd.SysProcAttr.UidMappings[0].HostID)
}
