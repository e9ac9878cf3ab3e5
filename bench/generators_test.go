package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/generators"
	"supernode/bench/report"
	"supernode/internal/apart"
)

// duelOf is a run of "bench generators" as short as they get.
func duelOf(out string, more ...string) []string {
	return append([]string{"generators", "--quick", "--blocks", "1", "--measure", "100ms", "--flows", "1000", "--out", out}, more...)
}

// TestGenerators: all generators that are there send and are answered, what they took is charged to them, and the report is
// made again from the records, by anybody.
func TestGenerators(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	out := filepath.Join(t.TempDir(), "out")
	r := begin(t, home(t), nil, duelOf(out)...)
	require.Zero(t, r.end(), r.told.String())
	r.requireNothingLeft()

	run, err := generators.ReadDir(out)
	require.NoError(t, err)
	_, err = exec.LookPath("dnsperf")
	require.Equal(t, err != nil, len(run.Header.Missing) == 1, "dnsperf is measured where it is installed")
	require.Contains(t, run.Header.Spec.Names, generators.XDP)
	require.Contains(t, run.Header.Notes, "the server that answers does so in its link's driver (XDP)")
	require.Len(t, run.Trials, len(run.Header.Spec.Slots()))
	require.Contains(t, run.Header.Versions["loadgen"], "loadgen ")
	for _, trial := range run.Trials {
		name := trial.Generator + ", " + string(trial.Measure)
		require.Empty(t, trial.Problem, name)
		require.NotEmpty(t, trial.Said, name)
		require.Positive(t, trial.Sent, name)
		require.Positive(t, trial.GeneratorNS, name)
		require.Positive(t, trial.ServerNAPI, name)
		require.Len(t, trial.CPU, 2, name)
		if trial.Measure == generators.Answers {
			require.Positive(t, trial.Answered, name)
			require.LessOrEqual(t, trial.Answered, trial.Sent, name)
			require.Positive(t, trial.GeneratorNAPI, name)
		}
		if trial.Measure == generators.Sends {
			require.Zero(t, trial.Answered, name)
		}
	}
	again := t.TempDir()
	require.NoError(t, os.Link(filepath.Join(out, generators.FileName), filepath.Join(again, generators.FileName)))
	status, stdout, stderr := ended(t, r.home, nil, "report", again)
	require.Zero(t, status, stderr)
	require.Contains(t, stdout, "inconclusive: answers: the control has ", "of one block nothing is quoted")
	require.NotContains(t, stdout, "In a second of its core")
	for _, name := range []string{report.SummaryFile, report.ReportFile} {
		want, err := os.ReadFile(filepath.Join(out, name))
		require.NoError(t, err)
		got, err := os.ReadFile(filepath.Join(again, name))
		require.NoError(t, err)
		require.Equal(t, string(want), string(got), name)
	}
}

func TestGeneratorsInterrupted(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	for _, when := range []string{"building the lab", "block 1 of 1"} {
		out := filepath.Join(t.TempDir(), "out")
		r := begin(t, home(t), nil, duelOf(out, "--measure", "60s", "--generators", "packet")...)
		r.await(when)
		r.signal(syscall.SIGTERM)
		require.Equal(t, exitInterrupted, r.end(), r.told.String())
		require.True(t, strings.HasPrefix(lastLine(r.told.String()), "bench: interrupted: "), r.told.String())
		r.requireNothingLeft()
		require.NoFileExists(t, filepath.Join(out, generators.FileName), "no trial, no records")
	}
}

func TestGeneratorsUsage(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"--generators what":  `--generators: unknown generator "what": give some of xdp,packet,mmsg,control,net,dnsperf`,
		"--blocks 0":         "--blocks 0: must be 1 to 1000",
		"--flows 0":          "--flows 0: must be 1 to 1000000",
		"--window 65537":     "--window 65537: must be 1 to 65536",
		"--measure 1ms":      "--measure 1ms: must be at least 50ms",
		"and something else": `unknown command or argument "and"`,
	} {
		status, _, stderr := ended(t, home(t), nil, append([]string{"generators"}, strings.Fields(args)...)...)
		require.Equal(t, exitUsage, status, args)
		require.Contains(t, stderr, want)
		require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
	}
}
