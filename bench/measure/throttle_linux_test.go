package measure

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"
)

// tree makes files under a directory that stands for the root of a machine.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, text := range files {
		path := filepath.Join(root, name)
		require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
		require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	}
	return root
}

const throttledOnce = "nr_periods 9\nnr_throttled 1\nthrottled_time 5\n"

func TestThrottling(t *testing.T) {
	for _, c := range []struct {
		name   string
		files  map[string]string
		slowed Slowed
		khz    uint64
		unread int
	}{
		{"a machine that tells nothing", nil, Slowed{}, 0, 3},
		{"version 2, and the groups above", map[string]string{
			"proc/self/cgroup":                                "0::/system.slice/run.service\n",
			"proc/self/mountinfo":                             "25 1 0:22 / /sys/fs/cgroup rw,nosuid shared:9 - cgroup2 cgroup2 rw\n",
			"sys/fs/cgroup/cpu.stat":                          "usage_usec 1\n",
			"sys/fs/cgroup/system.slice/cpu.stat":             "usage_usec 1\nnr_periods 5\nnr_throttled 4\n",
			"sys/fs/cgroup/system.slice/run.service/cpu.stat": throttledOnce,
		}, Slowed{Periods: 5}, 0, 2},
		{"version 1, in a container", map[string]string{
			"proc/self/cgroup":                 "3:cpuset:/\n2:cpu,cpuacct:/docker/abc\n1:name=systemd:/\n",
			"proc/self/mountinfo":              "1 2 0:1 / / rw - ext4 /dev/sda rw\n30 1 0:9 /docker/abc /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpuacct,cpu\n",
			"sys/fs/cgroup/cpu/cpu.stat":       throttledOnce,
			"sys/fs/cgroup/cpu/other/cpu.stat": throttledOnce,
		}, Slowed{Periods: 1}, 0, 2},
		{"a group that is not to be seen", map[string]string{
			"proc/self/cgroup":           "1:cpu:/elsewhere\n",
			"proc/self/mountinfo":        "30 1 0:9 /docker/abc /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n",
			"sys/fs/cgroup/cpu/cpu.stat": throttledOnce,
		}, Slowed{Periods: 1}, 0, 2},
		{"heat and a clock", map[string]string{
			"sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_count":         "2\n",
			"sys/devices/system/cpu/cpu0/thermal_throttle/package_throttle_count":      "3\n",
			"sys/devices/system/cpu/cpu0/thermal_throttle/core_throttle_total_time_ms": "1000\n",
			"sys/devices/system/cpu/cpu1/thermal_throttle/core_throttle_count":         "4\n",
			"sys/devices/system/cpu/cpu2/thermal_throttle/core_throttle_count":         "50\n",
			"sys/devices/system/cpu/cpu0/cpufreq/scaling_cur_freq":                     "2400000\n",
		}, Slowed{Thermal: 9}, 2_400_000, 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := openThrottling(tree(t, c.files), 0, 1)
			got, err := r.Read()
			require.NoError(t, err)
			require.Equal(t, c.slowed, got)
			require.Equal(t, c.khz, r.KHz())
			require.Len(t, r.Unread(), c.unread)
		})
	}
	require.Equal(t, Slowed{Periods: 1, Thermal: 2}, Slowed{4, 5}.Sub(Slowed{3, 3}))
}

func TestThrottlingOfThisMachine(t *testing.T) {
	r := OpenThrottling(0, 0)
	a, err := r.Read()
	require.NoError(t, err)
	b, err := r.Read()
	require.NoError(t, err)
	require.GreaterOrEqual(t, b.Periods, a.Periods)
	require.LessOrEqual(t, len(r.Unread()), 3)
}

func TestQuotaThatVanishes(t *testing.T) {
	r := &Throttling{quotas: []string{filepath.Join(t.TempDir(), "cpu.stat")}}
	_, err := r.Read()
	require.ErrorContains(t, err, "no line nr_throttled")
}
