package slices

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/bench/plan"
	"supernode/internal/apart"
)

// configEnv makes the test binary compare what the Config in it says, for that pins the whole process.
const configEnv = "SUPERNODE_SLICES_TEST_CONFIG"

func TestMain(m *testing.M) {
	text := os.Getenv(configEnv)
	if text == "" {
		os.Exit(m.Run())
	}
	if err := compare(text); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func compare(text string) error {
	var c Config
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	c.Record = func(s Slice) error {
		_, err := fmt.Fprintln(os.Stderr, s.Subject)
		return err
	}
	r, err := EndToEnd(ctx, c)
	if err != nil {
		return err
	}
	return json.NewEncoder(os.Stdout).Encode(r)
}

// wire is what of a Config goes to the other process.
type wire struct {
	Base, Head, Null, Generator  string
	GeneratorBase, GeneratorHead string
	Load                         Load
	Size                         Size
	Seed                         uint64
	Number                       int
	Until                        time.Time
}

func comparing(t *testing.T, w wire) *exec.Cmd {
	t.Helper()
	text, err := json.Marshal(w)
	require.NoError(t, err)
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), configEnv+"="+string(text))
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	return cmd
}

// programs builds them.
func programs(t *testing.T) (null, loadgen string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-o", dir+"/", "./cmd/loadgen", "./bench/peers/null-server")
	cmd.Dir, cmd.Env = "../..", append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	return filepath.Join(dir, "null-server"), filepath.Join(dir, "loadgen")
}

// Two servers, base twice, a null responder and three generators, in a real lab: all are measured as planned, by clocks that
// moved, and nothing is left of them.
func TestEndToEnd(t *testing.T) {
	apart.NeedRoot(t)
	null, loadgen := programs(t)
	load := Load{Flows: 100, Rate: 3000, Window: 32, Warmup: 10 * time.Millisecond, Length: 40 * time.Millisecond}
	w := wire{
		Base: null + " {addr}", Head: null + " --batch 1 {addr}", Null: null + " {addr}", Generator: loadgen,
		GeneratorBase: loadgen, GeneratorHead: loadgen, Load: load, Size: Size{Rounds: 2, Blocks: 1}, Seed: 5, Number: 3,
	}
	cmd := comparing(t, w)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	require.NoError(t, cmd.Run(), stderr.String())
	requireNoLab(t, cmd.Process.Pid)

	var r struct {
		Slices []Slice
		Series []struct{ Name string }
	}
	require.NoError(t, json.Unmarshal(stdout.Bytes(), &r))
	var names []string
	for _, s := range r.Series {
		names = append(names, s.Name)
	}
	require.Equal(t, []string{"cpu_ns_per_query", "cpu_ns_per_query_flat_out", "answers_per_s", "generator_cpu_ns_per_query"}, names)
	counts := map[string]int{}
	for _, s := range r.Slices {
		require.Equal(t, 3, s.Set)
		require.Equal(t, s.Round, s.Block, "a block a round")
		counts[s.Subject+" "+string(s.Measure)]++
		if s.Problem != "" || s.Answered == 0 {
			t.Logf("this machine is too busy to answer 3,000 queries a second: %+v", s)
			continue
		}
		require.Positive(t, s.Server)
		require.Positive(t, s.Client)
		require.Positive(t, s.Interval)
	}
	fixed, flatOut := " "+string(plan.Fixed), " "+string(plan.Max)
	require.Equal(t, map[string]int{
		Base + fixed: 4, Base + flatOut: 4, Control + fixed: 4, Control + flatOut: 4, Head + fixed: 4, Head + flatOut: 4,
		Null + fixed: 2, Null + flatOut: 2, // the first block only
		baseGenerator + fixed: 4, controlGenerator + fixed: 4, headGenerator + fixed: 4,
	}, counts)
}

// What has no time left makes one block.
func TestEndToEndInTime(t *testing.T) {
	apart.NeedRoot(t)
	null, loadgen := programs(t)
	load := Load{Flows: 10, Rate: 1000, Window: 8, Warmup: time.Millisecond, Length: 20 * time.Millisecond}
	cmd := comparing(t, wire{Base: null + " {addr}", Head: null + " {addr}", Generator: loadgen, Load: load,
		Size: Size{Rounds: 5, Blocks: 5}, Until: time.Unix(1, 0)})
	out, err := cmd.Output()
	require.NoError(t, err)
	var r Result
	require.NoError(t, json.Unmarshal(out, &r))
	require.Len(t, r.Slices, 3*2*2)
	requireNoLab(t, cmd.Process.Pid)
}

// A server that does not start, and a comparison that is stopped, leave nothing either, and say what it was.
func TestEndToEndThatFails(t *testing.T) {
	apart.NeedRoot(t)
	null, loadgen := programs(t)
	load := Load{Flows: 10, Rate: 1000, Window: 8, Warmup: time.Millisecond, Length: 30 * time.Millisecond}
	w := wire{Base: null + " {addr}", Head: null + " --nonsense {addr}", Generator: loadgen, Load: load, Size: Size{Rounds: 1, Blocks: 1000}}
	cmd := comparing(t, w)
	out, err := cmd.CombinedOutput()
	require.Error(t, err)
	require.Contains(t, string(out), "start head: ")
	require.Contains(t, string(out), "nonsense", "the server's own words")
	requireNoLab(t, cmd.Process.Pid)

	w.Head = null + " {addr}"
	cmd = comparing(t, w)
	stderr, err := cmd.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = stderr.Read(make([]byte, 1)) // the first slice
	require.NoError(t, err)
	require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
	var rest bytes.Buffer
	_, err = rest.ReadFrom(stderr)
	require.NoError(t, err)
	require.Error(t, cmd.Wait())
	require.Contains(t, rest.String(), "terminated signal received")
	requireNoLab(t, cmd.Process.Pid)
}

func requireNoLab(t *testing.T, owner int) {
	t.Helper()
	left, err := filepath.Glob(fmt.Sprintf("/run/netns/supernode-*.%d.*", owner))
	require.NoError(t, err)
	require.Empty(t, left)
}
