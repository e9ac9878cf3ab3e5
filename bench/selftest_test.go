package main

import (
	"bufio"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/bench/report"
	"supernode/bench/slices"
	"supernode/bench/stat"
	"supernode/internal/apart"
)

// A self-test as short as they get: too short to find anything, but all is measured, recorded and told.
func TestSelfTestRegress(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	out := filepath.Join(t.TempDir(), "out")
	args := []string{"selftest", "regress", "--reps", "1", "--blocks", "1", "--calibration", "4", "--length", "60ms", "--slowdowns", "0,30", "--seed", "3", "--out", out}
	r := begin(t, home(t), nil, args...)
	require.Zero(t, r.end(), r.told.String())
	r.requireNothingLeft()

	var f slices.Findings
	readJSON(t, filepath.Join(out, selfTestJSON), &f)
	require.EqualValues(t, 3, f.Seed)
	require.Positive(t, f.Calibration.TurnNS)
	require.Positive(t, f.Calibration.QueryNS.Median)
	require.Len(t, f.Repetitions, 1)
	require.Len(t, f.Rates, 2*4, "two slow-downs, three metrics and all of them")
	for _, rate := range f.Rates {
		require.Equal(t, 1, rate.Undecided.Hits+rate.Not.Hits, "one block, and one more, are too few to say anything")
	}
	sets := map[int]map[string]int{}
	for _, s := range readSlices(t, out) {
		if sets[s.Set] == nil {
			sets[s.Set] = map[string]int{}
		}
		sets[s.Set][s.Subject]++
	}
	require.Len(t, sets, 2, "it was measured again")
	for _, counts := range sets {
		require.Equal(t, map[string]int{"base": 4, "control": 4, "+0 %": 4, "+30 %": 4, "null": 4}, counts)
	}
	require.Contains(t, r.stdout.String(), "+30 %")
	page, err := os.ReadFile(filepath.Join(out, selfTestPage))
	require.NoError(t, err)
	require.Contains(t, string(page), "| +30 % | any of the servers' metrics |  | 0/1 [0.0, 97.5] % |")

	status, _, stderr := ended(t, r.home, nil, args...)
	require.Equal(t, 2, status)
	require.Contains(t, stderr, "--out "+out)
}

func TestSelfTestNoise(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	out := filepath.Join(t.TempDir(), "out")
	r := begin(t, home(t), nil, "selftest", "noise", "--rounds", "1", "--blocks", "1", "--lengths", "20ms,40ms", "--warmup", "5ms", "--out", out)
	require.Zero(t, r.end(), r.told.String())
	r.requireNothingLeft()
	require.Len(t, readSlices(t, out), 2*3*2*2)
	require.Contains(t, r.stdout.String(), "cpu_ns_per_query_flat_out")
}

// The experiment's own self-test: records that bench report reads like any other's, in which the arm burn was slower.
func TestConntrackSelfTest(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	out := filepath.Join(t.TempDir(), "out")
	r := begin(t, home(t), nil, "conntrack", "--self-test", "--reps", "1", "--blocks", "2", "--out", out)
	require.Zero(t, r.end(), r.told.String())
	r.requireNothingLeft()
	var f armFindings
	readJSON(t, filepath.Join(out, selfTestJSON), &f)
	require.Len(t, f.Repetitions, 1)
	require.Equal(t, 1, f.Sound.Of)
	require.Zero(t, f.Sound.Hits, "two blocks prove nothing")
	require.Len(t, f.Arms, 2)

	run, err := record.ReadDir(filepath.Join(out, repetitionDir(0)))
	require.NoError(t, err)
	counts := map[plan.Arm]int{}
	for _, trial := range run.Trials {
		if report.Excluded(trial) == "" {
			counts[trial.Arm]++
		}
		require.False(t, trial.Tracking)
	}
	for arm := range counts {
		require.Contains(t, []plan.Arm{plan.Off, plan.Control, plan.Same, plan.Burn}, arm)
	}
	status, stdout, stderr := ended(t, r.home, nil, "report", filepath.Join(out, repetitionDir(0)))
	require.Zero(t, status, stderr)
	require.Contains(t, stdout, "burn")
	require.Contains(t, stdout, "same")
}

// An interrupted self-test takes its lab down.
func TestInterruptedSelfTest(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	r := begin(t, home(t), nil, "selftest", "regress", "--quick", "--out", filepath.Join(t.TempDir(), "out"))
	r.await("measuring what a query")
	r.signal(syscall.SIGTERM)
	require.Equal(t, exitInterrupted, r.end(), r.told.String())
	r.requireNothingLeft()
}

func readJSON(t *testing.T, path string, to any) {
	t.Helper()
	text, err := os.ReadFile(path)
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(text, to))
}

func readSlices(t *testing.T, dir string) (all []slices.Slice) {
	t.Helper()
	file, err := os.Open(filepath.Join(dir, selfTestSlices))
	require.NoError(t, err)
	defer file.Close()
	for lines := bufio.NewScanner(file); lines.Scan(); {
		var s slices.Slice
		require.NoError(t, json.Unmarshal(lines.Bytes(), &s))
		all = append(all, s)
	}
	return all
}

func TestSelfTestUsage(t *testing.T) {
	t.Parallel()
	dir := home(t)
	for _, c := range []struct{ args, says string }{
		{"selftest regress --reps 0", "--reps 0: must be 1 to 1000"},
		{"selftest regress --slowdowns -1", "--slowdowns -1: must be different numbers"},
		{"selftest regress --slowdowns 5,5", "--slowdowns 5: must be different numbers"},
		{"selftest regress --slowdowns 1,2,3,4,5,6,7,8,9", "--slowdowns: give 1 to 8, not 9"},
		{"selftest regress --blocks 0", "--rounds 1 --blocks 0: must be at least 1"},
		{"selftest regress --server-cmd server", `--server-cmd "server": must hold {addr} and {burn}`},
		{"selftest regress --time 1m", "--time 1m0s: too little time"},
		{"selftest regress --time 1h --blocks 5", "--time: means nothing with --rounds or --blocks"},
		{"selftest regress --calibration 0", "--calibration 0: must be 1 to 1000"},
		{"selftest regress --length 1ms", "--warmup 40ms --length 1ms: must not be negative"},
		{"selftest noise --lengths 1ms", "--lengths 1ms: must be 10ms to 10s"},
		{"selftest noise --rounds 0", "--rounds 0 --blocks 4"},
		{"selftest sideways", `bench selftest: unknown command or argument "sideways"`},
		{"conntrack --self-test --arms on", "--arms: means nothing with --self-test"},
		{"conntrack --self-test --reps 0", "--reps 0: must be 1 to 1000"},
		{"conntrack --reps 3", "--reps 3: means something with --self-test only"},
	} {
		status, stdout, stderr := ended(t, dir, nil, strings.Fields(c.args)...)
		require.Equal(t, exitUsage, status, stderr)
		require.Empty(t, stdout)
		require.Contains(t, lastLine(stderr), c.says)
	}
}

// judged has head slower than base by a factor, with a little noise.
func judged(factor, noise float64, better stat.Better) slices.Series {
	s := slices.Series{Metric: slices.Metric{Better: better}}
	for i := range 9 {
		wobble := math.Exp(noise * float64(i%3-1))
		s.Pairs = append(s.Pairs, stat.Pair{Base: 100, Arm: 100 * factor * wobble})
		s.Control = append(s.Control, stat.Pair{Base: 100, Arm: 100 * wobble})
	}
	return s
}

func TestJudgeSlices(t *testing.T) {
	slow, same, noisy := judged(1.2, 0.01, stat.Lower), judged(1, 0.01, stat.Lower), judged(1, 0.3, stat.Lower)
	require.Equal(t, slices.Slower, judgeSlices(slow, nil))
	require.Equal(t, slices.Slower, judgeSlices(slow, &slow))
	require.NotEqual(t, slices.Slower, judgeSlices(slow, &same), "a second measurement that says otherwise")
	require.Equal(t, slices.NotSlower, judgeSlices(same, nil))
	require.Equal(t, slices.Undecided, judgeSlices(noisy, nil))
	require.Equal(t, slices.Slower, judgeSlices(judged(1/1.2, 0.01, stat.Higher), nil), "fewer answers")
	require.Equal(t, slices.NotSlower, judgeSlices(judged(1.2, 0.01, stat.Higher), nil), "more of them")
	require.Equal(t, slices.Undecided, judgeSlices(slices.Series{}, nil))
}
