package measure

import (
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"supernode/internal/conntrack"
)

func TestParseSchedstat(t *testing.T) {
	for _, c := range []struct {
		in   string
		want int64
		ok   bool
	}{
		{"856120 244526 32\n", 856120, true},
		{"0 0 0\n", 0, true},
		{"9223372036854775807 1 1", 1<<63 - 1, true},
		{"9223372036854775808 1 1", 0, false},
		{"-5 1 1\n", 0, false},
		{"", 0, false},
		{"1 2\n", 0, false},
		{"1 2 3 4\n", 0, false},
		{"0x10 2 3\n", 0, false},
	} {
		v, err := parseSchedstat([]byte(c.in))
		require.Equal(t, c.ok, err == nil, "%q: %v", c.in, err)
		require.Equal(t, c.want, v, "%q", c.in)
	}
}

const procStat = `cpu  10 20 30 40 50 60 70 80 0 0
cpu0 1 2 3 4 5 6 7 8 100 200
cpu1 9 8 7 6
cpu10 100 0 0 400 0 0 0 1 0 0 77
cpu2 1 2 3
cpu3 1 x 3 4
intr 5 0 0
cpu4 1 2 3 4
`

func TestParseCPU(t *testing.T) {
	tick := userTick
	for _, c := range []struct {
		cpu  int
		want CPUTime
		err  string
	}{
		{0, CPUTime{tick, 2 * tick, 3 * tick, 4 * tick, 5 * tick, 6 * tick, 7 * tick, 8 * tick}, ""},
		{1, CPUTime{User: 9 * tick, Nice: 8 * tick, System: 7 * tick, Idle: 6 * tick}, ""}, // as before Linux 2.6
		{10, CPUTime{User: time.Second, Idle: 4 * time.Second, Steal: tick}, ""},
		{AllCPUs, CPUTime{10 * tick, 20 * tick, 30 * tick, 40 * tick, 50 * tick, 60 * tick, 70 * tick, 80 * tick}, ""},
		{2, CPUTime{}, "3 columns"},
		{3, CPUTime{}, `"x" is not a number`},
		{4, CPUTime{User: tick, Nice: 2 * tick, System: 3 * tick, Idle: 4 * tick}, ""},
		{5, CPUTime{}, "no processor 5"},
	} {
		got, err := parseCPU([]byte(procStat), c.cpu)
		if c.err != "" {
			require.ErrorContains(t, err, c.err)
			continue
		}
		require.NoError(t, err)
		require.Equal(t, c.want, got)
	}
}

func FuzzParsers(f *testing.F) {
	f.Add([]byte(procStat), 10)
	f.Add([]byte("856120 244526 32\n"), 0)
	f.Add([]byte("VmRSS:\t  123 kB\n"), 1)
	f.Fuzz(func(t *testing.T, b []byte, cpu int) {
		if c, err := parseCPU(b, cpu); err == nil {
			require.GreaterOrEqual(t, c.User, time.Duration(0))
			require.Zero(t, c.Sub(c).Total())
		}
		if ns, err := parseSchedstat(b); err == nil {
			require.GreaterOrEqual(t, ns, int64(0))
		}
		if kib, err := kibibytes(b, "VmRSS:"); err == nil {
			require.Equal(t, kib, kib<<10>>10, "bytes must not overflow")
		}
	})
}

func TestCPUTimeSub(t *testing.T) {
	d := CPUTime{User: 5, Idle: 7, IOWait: 1, Steal: 2}.Sub(CPUTime{User: 2, Idle: 3, IOWait: 4})
	require.Equal(t, CPUTime{User: 3, Idle: 4, Steal: 2}, d, "iowait may run backwards (proc_stat(5))")
	require.EqualValues(t, 9, d.Total())
	require.EqualValues(t, 3, d.Busy())
}

func TestKibibytes(t *testing.T) {
	status := []byte("Name:\tx\nVmRSS:\t    1234 kB\nVmBad:\t1 MB\nVmNone:\n")
	v, err := kibibytes(status, "VmRSS:")
	require.NoError(t, err)
	require.EqualValues(t, 1234, v)
	for _, key := range []string{"VmBad:", "VmNone:", "VmGone:"} {
		_, err := kibibytes(status, key)
		require.ErrorContains(t, err, key)
	}
}

func TestDelta(t *testing.T) {
	both := target{serverNAPI: true, clientNAPI: true}
	a := Snapshot{
		At: time.Second, ServerNS: 10, ServerNAPINS: 20, ClientNS: 30, ClientNAPINS: 40, watched: both,
		Conntrack: conntrack.Facts{Count: 100, Counters: conntrack.Counters{conntrack.Drop: 1}},
	}
	b := a
	b.At, b.ServerNS, b.ServerNAPINS, b.ClientNAPINS = 3*time.Second, 15, 27, 41
	b.Conntrack = conntrack.Facts{Count: 60, Counters: conntrack.Counters{conntrack.Drop: 4}}
	d := b.Sub(a)
	require.Equal(t, 2*time.Second, d.Elapsed)
	require.EqualValues(t, 5, d.ServerNS)
	require.EqualValues(t, 12, d.ServerTotalNS())
	require.EqualValues(t, -40, d.Entries)
	require.Equal(t, conntrack.Counters{conntrack.Drop: 3}, d.Counters)
	require.NoError(t, d.Check())
}

func TestAnIdleReceiveThreadIsAFailedSetUp(t *testing.T) {
	for _, c := range []struct {
		name    string
		server  int64
		client  int64
		watched target
		want    string
	}{
		{"both work", 1, 1, target{true, true}, ""},
		{"server idle", 0, 1, target{true, true}, "on the server in"},
		{"client idle", 1, 0, target{true, true}, "on the client in"},
		{"both idle", 0, 0, target{true, true}, "on the server and client in"},
		{"not watched", 0, 0, target{}, ""},
		{"only the server watched", 5, 0, target{serverNAPI: true}, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			err := Delta{ServerNAPINS: c.server, ClientNAPINS: c.client, watched: c.watched}.Check()
			if c.want == "" {
				require.NoError(t, err)
				return
			}
			require.ErrorIs(t, err, ErrNAPIIdle)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// burn runs until the process's CPU clock has moved.
func burn(t *testing.T) {
	t.Helper()
	start, err := Process(os.Getpid())
	require.NoError(t, err)
	for deadline := time.Now().Add(10 * time.Second); ; {
		now, err := Process(os.Getpid())
		require.NoError(t, err)
		if now > start {
			return
		}
		require.True(t, time.Now().Before(deadline), "the CPU clock stands still")
	}
}

func TestReaderOnThisProcess(t *testing.T) {
	r, err := Open(Target{ServerPID: os.Getpid(), InServer: func(f func() error) error { return f() }})
	require.NoError(t, err)
	a, err := r.Snapshot()
	require.NoError(t, err)
	burn(t)
	b, err := r.Snapshot()
	require.NoError(t, err)
	d := b.Sub(a)
	require.Positive(t, d.ServerNS)
	require.Positive(t, d.Elapsed)
	require.Zero(t, d.ClientNS)
	require.Positive(t, b.ServerCPU.Total())
	require.NoError(t, d.Check(), "nothing watched, nothing idle")

	require.NoError(t, r.Close())
	require.NoError(t, r.Close())
	_, err = r.Snapshot()
	require.ErrorIs(t, err, fs.ErrClosed)
}

func TestOpenFindsWrongIDs(t *testing.T) {
	gone := endedPID(t)
	for _, c := range []struct {
		name string
		t    Target
		want string
	}{
		{"process", Target{ServerPID: gone}, "has it ended?"},
		{"kernel thread", Target{ClientNAPI: gone}, "has it ended?"},
		{"processor", Target{ServerCPU: 1 << 20}, "no processor 1048576"},
		{"negative", Target{ClientPID: -1}, "not a process id"},
		{"namespace", Target{InServer: func(func() error) error { return errors.New("no such namespace") }}, "no such namespace"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Open(c.t)
			require.ErrorContains(t, err, c.want)
		})
	}
}

// endedPID returns the id of a process that has ended and was waited for.
func endedPID(t *testing.T) int {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe, "-test.run=^$")
	require.NoError(t, cmd.Run())
	return cmd.Process.Pid
}

func TestEndedThreadsCount(t *testing.T) {
	// A thread works and ends, and the test waits until the kernel has let go of it.
	tid := make(chan int)
	done := make(chan struct{})
	defer close(done)
	var work func()
	work = func() {
		runtime.LockOSThread()
		self := unix.Gettid()
		if self == unix.Getpid() { // the main thread never ends: hold it and use another
			go work()
			<-done
			runtime.UnlockOSThread()
			return
		}
		for start, now := time.Now(), time.Now(); now.Sub(start) < 5*time.Millisecond; now = time.Now() {
		}
		tid <- self // not unlocked: the thread ends with the goroutine
	}
	go work()
	path := filepath.Join("/proc/self/task", itoa(<-tid))
	require.Eventually(t, func() bool { _, err := os.Stat(path); return err != nil }, 10*time.Second, time.Millisecond)
	living, err := Threads(os.Getpid())
	require.NoError(t, err)
	all, err := Process(os.Getpid())
	require.NoError(t, err)
	require.Greater(t, all, living, "the process clock keeps what the ended thread used")
}

func itoa(n int) string { b, _ := json.Marshal(n); return string(b) }

func TestTaskAndRSS(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	ns, err := Task(unix.Gettid())
	require.NoError(t, err)
	require.GreaterOrEqual(t, ns, int64(0))

	rss, err := RSS(os.Getpid())
	require.NoError(t, err)
	require.Greater(t, rss, uint64(1<<20))

	gone := endedPID(t)
	_, err = Task(gone)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Threads(gone)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = RSS(gone)
	require.ErrorIs(t, err, fs.ErrNotExist)
	_, err = Process(gone)
	require.Error(t, err)
}

func TestMachine(t *testing.T) {
	m := Machine()
	require.Contains(t, m.Kernel, "Linux")
	require.Positive(t, m.CPUs)
	require.Greater(t, m.MemoryBytes, uint64(64<<20))
	require.Equal(t, runtime.Version(), m.GoVersion)
	b, err := json.Marshal(m)
	require.NoError(t, err)
	for _, key := range []string{"kernel", "cpu_model", "cpus", "memory_bytes", "virtualised", "governor", "mitigations", "go_version", "has_hw_counters"} {
		require.Contains(t, string(b), `"`+key+`":`)
	}
}

func TestMachineParsers(t *testing.T) {
	info := []byte("processor\t: 0\nmodel name\t: Some CPU @ 2.30GHz\nflags\t\t: fpu hypervisor sse\n\nprocessor\t: 1\nmodel name\t: Other\n")
	require.Equal(t, "Some CPU @ 2.30GHz", cpuinfo(info, "model name"))
	require.Empty(t, cpuinfo(info, "Hardware"))
	require.Equal(t, 6, processors([]byte(procStat)))
	require.EqualValues(t, 2048, memory([]byte("MemTotal:       2 kB\n")))
	require.Zero(t, memory(nil))

	for _, c := range []struct{ info, hypervisor, vendor, want string }{
		{"flags : fpu hypervisor\n", "", "", "cpu flag hypervisor"},
		{"flags : fpu\n", "", "Dell Inc.\n", ""},
		{"flags : hypervisors\n", "xen\n", "Xen\n", "hypervisor xen, vendor Xen"},
		{"", "", "QEMU\n", "vendor QEMU"},
		{"", "", "Microsoft Corporation\n", ""},
		{"flags: hypervisor\n", "", "Microsoft Corporation\n", "cpu flag hypervisor, vendor Microsoft Corporation"},
	} {
		require.Equal(t, c.want, virtualised([]byte(c.info), []byte(c.hypervisor), []byte(c.vendor)), "%+v", c)
	}

	dir := t.TempDir()
	for name, text := range map[string]string{
		"meltdown": "Not affected\n", "mds": "Vulnerable: Clear CPU buffers attempted\n", "spectre_v1": "Mitigation: barriers\n", "l1tf": "Not affected\n",
	} {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	require.Equal(t, "1 mitigated (spectre_v1), 1 vulnerable (mds), 2 not affected", mitigations(dir))
	require.Empty(t, mitigations(filepath.Join(dir, "none")))
}

// TestReaderGrowsItsBuffer: a machine with many processors has a /proc/stat longer than any first guess.
func TestReaderGrowsItsBuffer(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stat")
	var b strings.Builder
	for i := range 1000 {
		b.WriteString("cpu" + itoa(i) + " 1 2 3 4 5 6 7 8 9 10\n")
	}
	require.NoError(t, os.WriteFile(path, []byte(b.String()), 0o600))
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	require.NoError(t, err)
	r := &Reader{target: Target{ServerCPU: 3, ClientCPU: 999}, stat: fd, buf: make([]byte, 64)}
	defer r.Close()
	var s Snapshot
	require.NoError(t, r.processors(&s))
	require.Equal(t, 8*userTick, s.ClientCPU.Steal)
	r.target.ClientCPU = 1000
	require.ErrorContains(t, r.processors(&s), "no processor 1000")
}

func TestSnapshotAllocations(t *testing.T) {
	r, err := Open(Target{ServerPID: os.Getpid()})
	require.NoError(t, err)
	defer r.Close()
	n := testing.AllocsPerRun(100, func() {
		if _, err := r.Snapshot(); err != nil {
			t.Fatal(err)
		}
	})
	// The connection-tracking table apart, whose counters are a map.
	require.Zero(t, n)
}

func BenchmarkSnapshot(b *testing.B) {
	r, err := Open(Target{ServerPID: os.Getpid(), ClientPID: os.Getppid(), InServer: func(f func() error) error { return f() }})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Close()
	b.ReportAllocs()
	for b.Loop() {
		if _, err := r.Snapshot(); err != nil {
			b.Fatal(err)
		}
	}
}
