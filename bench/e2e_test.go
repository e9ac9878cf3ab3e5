package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"supernode/bench/loads"
	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/report"
	"supernode/internal/apart"
)

// short is a run of "bench conntrack" as short as they get, on a machine that is busy with other tests.
func short(out string, more ...string) []string {
	return append([]string{"conntrack", "--quick", "--blocks", "1", "--flows", "few", "--rate", "5000", "--out", out}, more...)
}

// shorter leaves out all arms but the baseline and its control.
func shorter(out string, more ...string) []string {
	return short(out, append([]string{"--arms", "off"}, more...)...)
}

// A killed bench cannot take its lab down, but nothing goes on in there, and the next bench lab clean removes it. This
// test is not parallel: any other bench would remove it, too.
func TestKilled(t *testing.T) {
	apart.NeedRoot(t)
	r := begin(t, home(t), nil, shorter(filepath.Join(t.TempDir(), "out"))...)
	r.await("block 1")
	var children []int
	for _, program := range []string{"supernode", "loadgen"} {
		pid, ok := processes(t, r.home)[program]
		require.True(t, ok, "no %s is running", program)
		pidfd, err := unix.PidfdOpen(pid, 0)
		require.NoError(t, err)
		defer unix.Close(pidfd)
		children = append(children, pidfd)
	}
	r.signal(syscall.SIGKILL)
	require.Equal(t, -1, r.end())
	for _, pidfd := range children {
		fds := []unix.PollFd{{Fd: int32(pidfd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(patience.Milliseconds()))
		for err == unix.EINTR {
			n, err = unix.Poll(fds, int(patience.Milliseconds()))
		}
		require.NoError(t, err)
		require.Equal(t, 1, n, "a process has outlived the bench")
	}
	require.Len(t, r.namespaces(), 2)

	status, stdout, stderr := ended(t, r.home, nil, "lab", "clean")
	require.Zero(t, status, stderr)
	require.Regexp(t, fmt.Sprintf(`^removed supernode-lab\.%d\.\d+\.1\n$`, r.cmd.Process.Pid), stdout)
	r.requireNothingLeft()
	_, stdout, _ = ended(t, r.home, nil, "lab", "clean")
	require.Equal(t, "nothing to remove\n", stdout)
}

// TestLab is not parallel for the same reason.
func TestLab(t *testing.T) {
	apart.NeedRoot(t)
	r := begin(t, home(t), nil, "lab", "up")
	require.Zero(t, r.end(), r.told.String())
	require.Len(t, r.namespaces(), 2, "it stays")
	for _, path := range r.namespaces() {
		require.Contains(t, r.stdout.String(), "ip netns exec "+filepath.Base(path)+" ")
	}
	require.Contains(t, r.stdout.String(), "bench lab clean")
	status, _, stderr := ended(t, r.home, nil, "lab", "clean")
	require.Zero(t, status, stderr)
	r.requireNothingLeft()
}

func TestConntrack(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	out := filepath.Join(t.TempDir(), "out")
	args := short(out, "--arms", "on,notrack,raised,full", "--flows", "few,new")
	r := begin(t, home(t), nil, args...)
	require.Zero(t, r.end(), r.told.String())
	r.requireNothingLeft()

	require.NotContains(t, r.stdout.String()+r.told.String(), "\x1b", "nobody asked for colours in a pipe")
	require.Contains(t, r.stdout.String(), "report: "+filepath.Join(out, report.ReportFile))
	require.Contains(t, r.stdout.String(), "notrack")
	require.Equal(t, 1, strings.Count(r.told.String(), "\nbench: block 1 of 1, 0 of 11 trials done, "), r.told.String())
	// Other tests have labs at the same time, of which it is said so.
	require.Equal(t, 5, strings.Count(r.told.String(), "\n")-strings.Count(r.told.String(), "bench: note: "), r.told.String())
	require.NoFileExists(t, filepath.Join(out, record.CurveFile), "a quick run has none")

	run, err := record.ReadDir(out)
	require.NoError(t, err)
	require.Contains(t, run.Header.Versions["supernode"], "supernode ")
	require.Contains(t, run.Header.Versions["loadgen"], "loadgen ")
	require.Equal(t, append([]string{filepath.Join(r.home, "bench")}, args...), run.Header.Command)
	require.NotZero(t, run.Header.Machine.ConntrackLimit)
	seen := map[plan.Cell]bool{}
	for _, trial := range run.Trials {
		seen[trial.Cell] = true
		requireProven(t, trial, run.Header.Machine.ConntrackLimit)
	}
	require.Len(t, seen, 11)
	requireReportAgain(t, r.home, out)
}

// The second phase follows the first, in the same records.
func TestSearches(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	out := filepath.Join(t.TempDir(), "out")
	r := begin(t, home(t), nil, short(out, "--arms", "on", "--searches", "1")...)
	require.Zero(t, r.end(), r.told.String())
	r.requireNothingLeft()
	require.Contains(t, r.told.String(), "\nbench: search 1 of 1, 0 of 12 trials done, ")

	run, err := record.ReadDir(out)
	require.NoError(t, err)
	require.Equal(t, 1, run.Header.Plan.Searches)
	offered := map[plan.Measure]map[float64]bool{}
	searched := 0
	for _, trial := range run.Trials {
		switch {
		case trial.Measure == plan.Search:
			searched++
			require.Equal(t, trial.Arm.Tracks(), trial.Tracking, "%s", trial.Arm)
			require.NotEmpty(t, trial.Search.Steps)
			require.Len(t, trial.Search.Found, len(searchLosses))
		case trial.Measure.Share() > 0:
			require.Nil(t, trial.Search)
			if offered[trial.Measure] == nil {
				offered[trial.Measure] = map[float64]bool{}
			}
			offered[trial.Measure][trial.Load.OfferedQPS] = true
		}
	}
	require.GreaterOrEqual(t, searched, 3, "off, control and on")
	require.Len(t, offered, 3)
	for measure, rates := range offered {
		require.Len(t, rates, 1, "%s: all arms of a block are offered the same", measure)
	}
	requireReportAgain(t, r.home, out)
}

// A pilot that is asked for chooses the number of blocks before the records begin, and is remembered there.
func TestPilotOfARun(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	out := filepath.Join(t.TempDir(), "out")
	r := begin(t, home(t), nil, "conntrack", "--quick", "--arms", "off", "--flows", "few", "--rate", "5000", "--resolution", "50%", "--out", out)
	r.await("a pilot of 32 trials")
	r.await("block 1 of ")
	r.signal(syscall.SIGINT)
	require.Equal(t, 130, r.end(), r.told.String())
	r.requireNothingLeft()
	require.Regexp(t, `bench: (the baseline scatters by|the host disturbed the pilot)`, r.told.String())
	if run, err := record.ReadDir(out); err == nil { // else it was interrupted in its first trial
		require.Equal(t, run.Header.Plan.Pilot.Blocks, run.Header.Plan.Blocks)
	}
}

// requireProven checks that a trial's record holds what proves its arm, and that who must have worked did.
func requireProven(t *testing.T, trial record.Trial, limit uint64) {
	t.Helper()
	require.Equal(t, trial.Arm.Tracks(), trial.Tracking, "%s", trial.Arm)
	table, load := trial.Conntrack, trial.Load
	switch trial.Arm {
	case plan.On, plan.Raised:
		require.True(t, table.Entries > table.Others || trial.Answered == 0)
		if trial.Flows == plan.Fresh { // every query that got there, of the warm-up too, has an entry of its own
			require.GreaterOrEqual(t, table.Entries-table.Others, load.Answered)
		}
	case plan.Filled:
		requireDropped(t, trial, limit)
	default:
		require.Zero(t, table.Entries, "%s", trial.Arm)
	}
	if trial.Arm == plan.Raised {
		require.InDelta(t, 0.94, float64(table.Others)/float64(limit), 0.02, "few flows are left room for")
		require.Zero(t, table.Drop)
	}
	require.NotEmpty(t, trial.Load.Raw)
	require.Len(t, trial.CPU, 2)
	require.False(t, trial.Start.IsZero())
	if trial.Arm == plan.Filled {
		return
	}
	if trial.Answered == 0 {
		t.Logf("this machine is too busy to answer 5,000 queries a second: %+v", trial)
		return
	}
	for name, ns := range map[string]int64{
		"server": trial.Server, "server's receive thread": trial.ServerNAPI,
		"generator": trial.Client, "generator's receive thread": trial.ClientNAPI,
	} {
		require.Positive(t, ns, "%s of %s", name, trial.Arm)
		require.Less(t, ns, trial.Duration, "%s of %s", name, trial.Arm)
	}
}

// requireDropped checks that a full table refused every query, and that its counter says so. What a machine that is busy
// elsewhere loses before the table, or counts in another moment, is warned of in the record.
func requireDropped(t *testing.T, trial record.Trial, limit uint64) {
	t.Helper()
	table, lost := trial.Conntrack, trial.Load.Lost
	require.InDelta(t, limit, table.Entries, 8) // a packet counts while it is refused
	require.Equal(t, limit, table.Others, "nothing in it can be evicted")
	require.Zero(t, table.EarlyDrop)
	require.Zero(t, trial.Answered)
	require.Equal(t, trial.Load.Sent, lost)
	if len(trial.Warnings) > 0 || lost == 0 {
		t.Logf("this machine is too busy to count drops: %q", trial.Warnings)
		return
	}
	dropped := table.Drop
	if table.OwnDrop != nil {
		dropped -= *table.OwnDrop
	}
	// The counters are read when the generator says that its interval begins and ends, some packets later.
	const edges = 32
	require.InDelta(t, lost, dropped, max(edges, 0.01*float64(lost)), "%+v", table)
}

// requireReportAgain has an unprivileged user make the report from a copy of nothing but the records.
func requireReportAgain(t *testing.T, dir, out string) {
	t.Helper()
	again, err := os.MkdirTemp(built, "again-")
	require.NoError(t, err)
	defer os.RemoveAll(again)
	records, err := os.ReadFile(filepath.Join(out, record.FileName))
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(filepath.Join(again, record.FileName), records, 0o644))
	require.NoError(t, os.Chown(again, nobody, nobody))
	status, stdout, stderr := ended(t, dir, asNobody, "report", again)
	require.Zero(t, status, stderr)
	require.Contains(t, stdout, "report: "+filepath.Join(again, report.ReportFile))
	for _, name := range []string{report.SummaryFile, report.ReportFile, report.HTMLFile, report.BenchFile} {
		want, err := os.ReadFile(filepath.Join(out, name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(again, name))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), name)
	}
}

func asNobody(cmd *exec.Cmd) {
	cmd.SysProcAttr.Credential = &syscall.Credential{Uid: nobody, Gid: nobody}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	for _, c := range []struct {
		when string
		what syscall.Signal
	}{
		{"building the lab", syscall.SIGINT},
		{"starting the server", syscall.SIGTERM},
		{"filling the server's tables", syscall.SIGINT},
		{"block 1 of 3", syscall.SIGHUP},
		{"block 2 of 3", syscall.SIGINT},
	} {
		t.Run(strings.ReplaceAll(c.when, " ", "_"), func(t *testing.T) {
			t.Parallel()
			out := filepath.Join(t.TempDir(), "out")
			r := begin(t, home(t), nil, shorter(out, "--blocks", "3")...)
			r.await(c.when)
			r.signal(c.what)
			require.Equal(t, 130, r.end(), r.told.String())
			r.requireNothingLeft()
			require.True(t, strings.HasPrefix(lastLine(r.told.String()), "bench: interrupted: "), r.told.String())
			require.Empty(t, r.stdout.String())

			recorded := regexp.MustCompile(`(?m)^bench: (\d) of 6 trials are recorded; for what they say: bench report (.*)$`).FindStringSubmatch(r.told.String())
			if recorded == nil {
				require.NotContains(t, c.when, "block 2")
				require.NoFileExists(t, filepath.Join(out, record.FileName), "no trial was made")
				return
			}
			status, stdout, stderr := ended(t, r.home, nil, "report", recorded[2])
			require.Zero(t, status, stderr)
			require.Contains(t, stdout, "the run was stopped after "+recorded[1]+" of 6 trials")
		})
	}
}

// nohup has its reasons. And a reader of the progress that goes away, as head does, does not stop the run.
func TestUnattended(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	out := filepath.Join(t.TempDir(), "out")
	r := begin(t, home(t), func(cmd *exec.Cmd) {
		cmd.Args = append([]string{"sh", "-c", `trap "" HUP; exec "$0" "$@"`, cmd.Path}, cmd.Args[1:]...)
		cmd.Path = "/bin/sh"
	}, shorter(out)...)
	r.await("building the lab")
	r.signal(syscall.SIGHUP)
	r.await("filling")
	require.NoError(t, r.stderr.Close())
	require.Zero(t, r.end())
	r.requireNothingLeft()
	require.FileExists(t, filepath.Join(out, report.ReportFile))
}

// Whoever dies or hangs in the middle of a run is named.
func TestProgramsFail(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	for _, c := range []struct {
		name, when, program string
		what                syscall.Signal
		says                string
	}{
		{"server dies while its tables are filled", "filling", "supernode", syscall.SIGKILL, `^bench: fill the server's tables: server \S+/supernode has ended \(signal: killed\)$`},
		{"server dies in a trial", "block 1", "supernode", syscall.SIGKILL, `^bench: trial fixed/few/\w+ in block 1: server \S+/supernode has ended \(signal: killed\)$`},
		{"generator dies in a trial", "block 1", "loadgen", syscall.SIGKILL, `^bench: trial fixed/few/\w+ in block 1: generator \S+/loadgen has ended \(signal: killed\)$`},
		{"server hangs", "block 1", "supernode", syscall.SIGSTOP, `^bench: trial fixed/few/\w+ in block \d: server \S+/supernode has answered nothing in 3 trials\nstop server \S+/supernode: it did not end within 5s of SIGTERM and was killed$`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			r := begin(t, home(t), nil, shorter(filepath.Join(t.TempDir(), "out"), "--blocks", "3")...)
			r.await(c.when)
			told := r.told.Len()
			pid, ok := processes(t, r.home)[c.program]
			require.True(t, ok)
			require.NoError(t, unix.Kill(pid, c.what))
			require.Equal(t, 1, r.end(), r.told.String())
			r.requireNothingLeft()
			said := r.told.String()[told:]
			require.Regexp(t, "(?m)"+c.says, strings.TrimSpace(said))
		})
	}
}

// A server that cannot be measured is one line, and no records.
func TestBrokenServers(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	dir := home(t)
	background := filepath.Join(dir, "background")
	require.NoError(t, os.WriteFile(background, []byte("#!/bin/sh\nsleep 1000 &\n"), 0o755))
	for _, c := range []struct{ name, command, says string }{
		{"ends", "/bin/false", "bench: server /bin/false has ended (exit status 1)"},
		{"says why", dir + "/supernode --listen nonsense", "supernode has ended (exit status 2); it said: supernode: "},
		{"is not there", "/nonexistent {addr}", "bench: start /nonexistent in the server namespace: "},
		{"never answers", "/bin/sleep 1000", "bench: server /bin/sleep has not answered a ping at 10.18.0.1:6881 for 100ms (does it listen there, and speak the protocol?)"},
		{"goes to the background", background + " {addr}", "has ended (exit status 0: it must stay in the foreground)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "out")
			r := begin(t, dir, nil, short(out, "--server-cmd", c.command, "--ready-timeout", "100ms")...)
			require.Equal(t, 1, r.end())
			r.requireNothingLeft()
			require.Contains(t, lastLine(r.told.String()), c.says)
			require.Equal(t, 1, strings.Count(r.told.String()[strings.Index(r.told.String(), "starting the server"):], "bench:"), r.told.String())
			require.NoDirExists(t, out)
		})
	}
}

// Any DHT server can be measured.
func TestOtherServer(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	dir, out := home(t), filepath.Join(t.TempDir(), "out")
	require.NoError(t, os.Remove(filepath.Join(dir, "supernode")), "it is not needed")
	r := begin(t, dir, nil, short(out, "--arms", "on", "--server-cmd", dir+"/anacrolix-server {addr}")...)
	require.Zero(t, r.end(), r.told.String())
	r.requireNothingLeft()
	run, err := record.ReadDir(out)
	require.NoError(t, err)
	require.Equal(t, dir+"/anacrolix-server {addr}", run.Header.Versions["server"])
	require.NotContains(t, run.Header.Versions, "supernode")
	require.Len(t, run.Trials, 3)
	for _, trial := range run.Trials {
		requireProven(t, trial, run.Header.Machine.ConntrackLimit)
	}
}

func TestLoadCommand(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	out := filepath.Join(t.TempDir(), "out")
	r := begin(t, home(t), nil, "load", "--blocks", "1", "--flows", "1000", "--measure", "300ms", "--warmup", "100ms",
		"--steps", "0,500,max,2x", "--out", out)
	require.Zero(t, r.end(), r.told.String())
	r.requireNothingLeft()
	text, err := os.ReadFile(filepath.Join(out, loadFile))
	require.NoError(t, err)
	var offered, best float64
	measured := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		var trial loads.Trial
		require.NoError(t, json.Unmarshal([]byte(line), &trial))
		measured[trial.Step+" "+trial.Server] = true
		if trial.Problem == "" && !report.Stolen(trial.Trial) { // else there is no row: this is its only block
			require.Regexp(t, `(?m)^ *`+trial.Step+` +`+trial.Server+` +\d+ `, r.stdout.String())
		}
		switch {
		case trial.Server != "supernode":
		case trial.Step == "max":
			best = trial.AnswersPerS()
		case trial.Step == "2x":
			offered = trial.Load.OfferedQPS
		}
	}
	require.Len(t, measured, 8, "four steps of two servers")
	if offered > 0 { // else max had nothing to double, on a machine that was elsewhere
		require.InDelta(t, 2*best, offered, 1, "a multiple of what the same server did in the same block")
	}
	require.FileExists(t, filepath.Join(out, report.SummaryFile))
}
