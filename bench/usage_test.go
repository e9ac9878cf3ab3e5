package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"
	"github.com/stretchr/testify/require"

	"supernode/bench/peers"
	"supernode/bench/plan"
	"supernode/bench/record"
	"supernode/internal/apart"
)

// A mistake on the command line is one line that names it, at once.
func TestUsage(t *testing.T) {
	t.Parallel()
	dir := home(t)
	used, servers, file := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "file")
	require.NoError(t, os.WriteFile(filepath.Join(servers, peers.FileName), nil, 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(used, record.FileName), nil, 0o644))
	require.NoError(t, os.WriteFile(file, nil, 0o644))
	for _, c := range []struct{ args, says string }{
		{"conntrack --arms sideways", `--arms: read arm "sideways": unknown: give some of off,control,on,notrack,raised,full`},
		{"conntrack --arms=", "--arms: "},
		{"conntrack --flows some", `--flows: read flow pattern "some": unknown: give some of few,many,new`},
		{"conntrack --blocks 0", "--blocks 0: must be 1 to 1000"},
		{"conntrack --blocks -3", "--blocks -3: must be 1 to 1000"},
		{"conntrack --blocks 1000000000", "--blocks 1000000000: must be 1 to 1000"},
		{"conntrack --blocks many", `invalid argument "many" for "--blocks" flag`},
		{"conntrack --searches -1", "--searches -1: must be 0 to 1000"},
		{"conntrack --resolution none", `--resolution "none": must be a share from 0.1% to 50%, as in 2% or 0.02`},
		{"conntrack --resolution 2% --blocks 9", "--resolution: --blocks 9 says how many already, leave one of them out"},
		{"conntrack --rate 0", "--rate 0: must be at least 1"},
		{"conntrack --rate -1", "--rate -1: must be at least 1"},
		{"conntrack --curves -1", "--curves -1: must be 0 to 60"},
		{"conntrack --full-limit -1", `invalid argument "-1" for "--full-limit" flag`},
		{"conntrack --seed -1", `invalid argument "-1" for "--seed" flag`},
		{"conntrack --out " + used, "--out " + used + ": it holds the trials.jsonl of an earlier run: choose another directory"},
		{"conntrack --out " + file, "--out " + file + ": "},
		{"conntrack --colour", "unknown flag: --colour (see bench conntrack --help)"},
		{"conntrack now", `bench conntrack: unknown command or argument "now" (see bench conntrack --help)`},
		{"load --steps fast", `--steps "fast": must be max, queries a second as in 1000, or a multiple of max as in 2x`},
		{"load --steps 2x,max", `--steps "2x": it is a multiple of max, which must come before it`},
		{"load --server bin/supernode", `--server "bin/supernode": must be NAME=COMMAND`},
		{"load --blocks 0", "--blocks 0: must be 1 to 1000"},
		{"load --flows 60001", "--flows 60001: must be 1 to 60000"},
		{"load --window 0", "--window 0: must be at least 1"},
		{"load --measure 0s", "--warmup 300ms --measure 0s: must not be negative, nor the second 0"},
		{"report", "report takes the DIR of a run, or two to compare, not 0"},
		{"report a b c", "report takes the DIR of a run, or two to compare, not 3"},
		{"report /nonexistent", "make report of /nonexistent: "},
		{"report report/testdata/full /nonexistent", "compare runs: open records: open /nonexistent/trials.jsonl: no such file or directory"},
		{"report " + servers + " " + servers, servers + " holds a run of bench peers: only runs of bench conntrack can be set beside each other"},
		{"report " + servers + " --json", "--json: is for runs of bench conntrack; of " + servers + ", summary.json holds it"},
		{"report " + used + " --out x.md", "--out: is for the comparison of two runs; the report of one is written to its DIR"},
		{"lab sideways", `bench lab: unknown command or argument "sideways"`},
		{"sideways", `bench: unknown command or argument "sideways"`},
	} {
		t.Run(c.args, func(t *testing.T) {
			status, stdout, stderr := ended(t, dir, nil, strings.Fields(c.args)...)
			require.Equal(t, 2, status, stderr)
			require.Empty(t, stdout)
			require.Contains(t, stderr, c.says)
			require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
			require.True(t, strings.HasPrefix(stderr, "bench: "), stderr)
		})
	}
}

func TestNeedsRoot(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t) // to become nobody
	dir := home(t)
	for _, args := range []string{"lab up", "lab clean"} {
		status, _, stderr := ended(t, dir, asNobody, strings.Fields(args)...)
		require.Equal(t, 2, status, args)
		require.Equal(t, "bench: needs root, for network namespaces that outlive it: run it with sudo\n", stderr, args)
	}
}

func TestProgramsAreMissing(t *testing.T) {
	t.Parallel()
	apart.NeedRoot(t)
	for _, c := range []struct{ program, command string }{{"supernode", "conntrack"}, {"loadgen", "conntrack"}, {"loadgen", "peers"}, {"null-server", "generators"}} {
		dir, program := home(t), c.program
		require.NoError(t, os.Remove(filepath.Join(dir, program)))
		status, _, stderr := ended(t, dir, nil, c.command)
		require.Equal(t, 2, status, program)
		require.Regexp(t, regexp.QuoteMeta(filepath.Join(dir, program))+": .* build them with: make", stderr)
	}
}

func TestSpec(t *testing.T) {
	parsed := func(args ...string) (plan.Spec, error) {
		var spec plan.Spec
		var err error
		cmd := &cobra.Command{}
		var o conntrackOptions
		o.register(cmd.Flags())
		require.NoError(t, cmd.ParseFlags(args))
		spec, err = o.spec(cmd.Flags().Changed)
		return spec, err
	}
	spec, err := parsed("--seed", "7")
	require.NoError(t, err)
	want := plan.Full()
	want.Seed = 7
	require.Equal(t, want, spec)

	spec, err = parsed("--quick", "--seed", "0", "--arms", "on", "--flows", "few", "--blocks", "3", "--rate", "10")
	require.NoError(t, err)
	want = plan.Quick()
	want.Seed, want.Blocks, want.Rate = 0, 3, 10
	want.Arms, want.Patterns = []plan.Arm{plan.Off, plan.Control, plan.On}, []plan.Pattern{plan.Few}
	require.Equal(t, want, spec)

	spec, err = parsed("--blocks", "20", "--searches", "0")
	require.NoError(t, err)
	require.False(t, spec.Sized(), "nothing is left for a pilot to choose")
	require.Zero(t, spec.SearchTrials())
	spec, err = parsed("--quick", "--resolution", "5%", "--searches", "2")
	require.NoError(t, err)
	require.True(t, spec.Sized())
	require.Equal(t, 0.05, spec.Resolution)
	require.Equal(t, 2, spec.Searches)

	spec, err = parsed()
	require.NoError(t, err)
	require.NotZero(t, spec.Seed, "from the clock")
}

// What is asked of the generator differs between the arms of a block in nothing.
func TestLoad(t *testing.T) {
	spec := plan.Full()
	spec.Seed = 10
	slot := plan.Slot{Block: 2, Cell: plan.Cell{Arm: plan.Off, Flows: plan.Few, Measure: plan.Fixed}}
	fixed := load(spec, slot)
	require.EqualValues(t, spec.Rate, fixed.Rate)
	require.Zero(t, fixed.Window)
	require.EqualValues(t, 12, fixed.Seed)
	require.Equal(t, plan.Few.Flows(), fixed.Flows)
	require.Equal(t, spec.Fixed.Measure, time.Duration(fixed.DurationS*float64(time.Second)))
	require.Equal(t, spec.Fixed.Warmup, time.Duration(fixed.WarmupS*float64(time.Second)))
	slot.Arm, slot.Position = plan.On, 3
	require.Equal(t, fixed, load(spec, slot))

	slot.Flows = plan.Fresh
	fresh := load(spec, slot)
	require.Equal(t, freshMix, fresh.Mix)
	require.GreaterOrEqual(t, float64(fresh.Flows), fresh.Rate*(fresh.DurationS+fresh.WarmupS), "none comes twice")
	require.LessOrEqual(t, fresh.Flows, openedFlows(spec))
	spec.FreshRate = 7
	require.EqualValues(t, 7, load(spec, slot).Rate)

	slot.Measure, slot.Flows = plan.Max, plan.Few
	closed := load(spec, slot)
	require.Zero(t, closed.Rate)
	require.Equal(t, spec.Window, closed.Window)
}

func TestHelp(t *testing.T) {
	for _, c := range []struct {
		command string
		flags   string
	}{
		{"", ""},
		{"conntrack", "quick out arms flows blocks resolution searches curves full-limit rate server-cmd payload reply-at server-port ready-timeout seed remote remote-cmd secret-file target sources i-may-flood-this"},
		{"peers", "quick out servers server-cmd methods blocks nodes infohashes flows window mix zipf seed"},
		{"load", "out steps server blocks flows window mix warmup measure seed"},
		{"report", "json out"},
		{"generators", "quick out generators blocks flows window measure seed"},
		{"agent", "listen stdio port pid server-cmd secret-file i-consent-to-rules once"},
		{"regress", "base head base-dir head-dir limit size-limit budget short advisory out history cpu seed server-cmd-base server-cmd-head payload"},
		{"trend", "out"},
		{"lab", ""},
		{"lab up", ""},
		{"lab clean", ""},
	} {
		t.Run(c.command, func(t *testing.T) {
			var out, errs bytes.Buffer
			require.NoError(t, run(t.Context(), append(strings.Fields(c.command), "--help"), &out, &errs))
			require.Empty(t, errs.String())
			require.Contains(t, out.String(), "Usage:\n  bench")
			for flag := range strings.FieldsSeq(c.flags) {
				require.Contains(t, out.String(), "--"+flag+" ")
			}
		})
	}
}

// documented finds commands of the bench in text for people, on a line of their own or between backquotes.
var documented = regexp.MustCompile("(?m)(?:^|[`@\t ])(?:sudo |\\$ |# |bin/|\\./)*bench ((?:conntrack|peers|load|generators|regress|trend|agent|report|lab)\\b[^`\\n#;|&>]*)")

var quoted = regexp.MustCompile(`'[^']*'`)

// TestDocumentedCommands holds the commands in the house's pages to the command line that is there.
func TestDocumentedCommands(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"../README.md", "../Makefile", "../docs/*.md", "../scripts/*.sh", "../.github/workflows/*"} {
		found, err := filepath.Glob(pattern)
		require.NoError(t, err)
		pages = append(pages, found...)
	}
	checked := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		require.NoError(t, err)
		for _, match := range documented.FindAllStringSubmatch(string(text), -1) {
			cmd, rest, err := newCommand().Find(strings.Fields(quoted.ReplaceAllString(match[1], "QUOTED")))
			require.NoError(t, err, "%s: bench %s", page, match[1])
			require.NotEqual(t, "bench", cmd.Name(), "%s: bench %s", page, match[1])
			for _, word := range rest {
				if flag, ok := strings.CutPrefix(word, "--"); ok {
					flag, _, _ = strings.Cut(flag, "=")
					require.NotNil(t, cmd.Flags().Lookup(strings.Trim(flag, "[]')")), "%s: bench %s: no flag %s", page, match[1], word)
				}
			}
			checked++
		}
	}
	require.GreaterOrEqual(t, checked, 2, "the Makefile alone has two")
}
