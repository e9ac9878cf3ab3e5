package inprocess

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/bench/regress"
)

// source is a package whose benchmarks do what the file "mode" beside it says, so that one build makes many sides.
const source = `package p

import (
	"os"
	"strings"
	"testing"
)

var (
	sink    []byte
	text, _ = os.ReadFile("mode")
	mode    = strings.TrimSpace(string(text))
)

func TestMain(m *testing.M) {
	switch mode {
	case "ends":
		os.Stderr.WriteString("as it must")
		os.Exit(3)
	case "hangs":
		os.WriteFile(os.Getenv("JOURNAL"), nil, 0o644)
		<-make(chan os.Signal)
	}
	os.Exit(m.Run())
}

func BenchmarkNothing(b *testing.B) {
	switch {
	case mode == "fails", mode == "fails later" && b.N > 1:
		b.Fatal("as it must")
	case mode == "panics":
		panic("as it must")
	case mode == "journal" && b.N > 1:
		journal(b)
	case mode == "none":
		b.SkipNow()
	}
	names, calls := []string{"one", "two"}, 7.0
	if mode == "allocates" {
		names, calls = []string{"one", "three"}, 8
	}
	if mode != "nothing" && mode != "allocates" {
		return
	}
	for _, name := range names {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				if mode == "allocates" {
					sink = make([]byte, 100)
				}
			}
			b.ReportMetric(calls, "calls/datagram")
		})
	}
}

// journal shows when a repetition begins and ends.
func journal(b *testing.B) {
	f, err := os.OpenFile(os.Getenv("JOURNAL"), os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	f.WriteString("begin\n")
	for i := range 1_000_000 {
		sink = append(sink[:0], byte(i))
	}
	f.WriteString("end\n")
}
`

var built string // directory of the one build

func TestMain(m *testing.M) {
	os.Exit(func() int {
		var err error
		if built, err = os.MkdirTemp("", "inprocess-test-"); err == nil {
			defer os.RemoveAll(built)
			err = compile()
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			return 1
		}
		return m.Run()
	}())
}

func compile() error {
	for name, text := range map[string]string{"go.mod": "module example.org/m\n\ngo 1.26\n", "p_test.go": source} {
		if err := os.WriteFile(filepath.Join(built, name), []byte(text), 0o644); err != nil {
			return err
		}
	}
	cmd := exec.Command("go", "test", "-c", "-trimpath", "-o", Binary("p"), ".")
	cmd.Dir, cmd.Env = built, append(os.Environ(), "CGO_ENABLED=0")
	cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
	return cmd.Run()
}

// build makes a side whose benchmarks are of a mode.
func build(t *testing.T, mode string) Side {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(root, "p"), 0o755))
	require.NoError(t, os.WriteFile(filepath.Join(root, "p", "mode"), []byte(mode), 0o644))
	require.NoError(t, os.Symlink(filepath.Join(built, Binary("p")), filepath.Join(root, Binary("p"))))
	return Side{Programs: root, Source: root}
}

func config(base, head Side, suites ...Suite) Config {
	return Config{Base: base, Head: head, Suites: suites, CPU: 0, Least: 2, Most: 2, Until: time.Now()}
}

var suite = Suite{Package: "p", Bench: "^BenchmarkNothing$", Unit: "ns/op", Time: "100x"}

// An allocation and a system call more are found in whatever little time there is, and benchmarks that one side only has
// are named.
func TestRun(t *testing.T) {
	base, head := build(t, "nothing"), build(t, "allocates")
	var told []int
	c := config(base, head, suite)
	c.Progress = func(round int, s Suite) { told = append(told, round) }
	r, err := Run(t.Context(), c)
	require.NoError(t, err)
	require.Equal(t, []int{1, 2}, told)
	require.Equal(t, 2, r.Rounds)
	require.Equal(t, []string{"p.Nothing/three", "p.Nothing/two"}, r.Unlike)
	require.Len(t, r.Series, 1)
	require.Equal(t, "p.Nothing/one", r.Series[0].Name)
	require.Equal(t, regress.KindInProcess, r.Series[0].Kind)
	require.Len(t, r.Series[0].Pairs, 2, "a round is one pair, however many repetitions it has")
	require.Len(t, r.Series[0].Control, 2)

	require.Len(t, r.Gates, 3)
	for i, want := range []regress.Gate{{Unit: "allocs/op", Base: 0, Head: 1}, {Unit: "B/op", Base: 0, Head: 112}, {Unit: "calls/datagram", Base: 7, Head: 8}} {
		g := r.Gates[i]
		require.Equal(t, want, regress.Gate{Unit: g.Unit, Base: g.Base, Head: g.Head})
		require.True(t, g.Broken)
		require.Contains(t, g.Why, "p.Nothing/one")
	}
	require.Equal(t, 2*repetitions, strings.Count(r.BaseText, "BenchmarkNothing/two"), r.BaseText)
	require.Equal(t, 2*repetitions, strings.Count(r.HeadText, "BenchmarkNothing/three"))

	c.Only = map[string]bool{"p.Nothing/two": true}
	r, err = Run(t.Context(), c)
	require.NoError(t, err)
	require.Empty(t, r.Series)
}

// The processes of a round take turns: no one repeats while another does.
func TestTurns(t *testing.T) {
	side, journal := build(t, "journal"), filepath.Join(t.TempDir(), "journal")
	t.Setenv("JOURNAL", journal)
	c := config(side, side, suite)
	c.Least, c.Most = 1, 1
	_, err := Run(t.Context(), c)
	require.NoError(t, err)
	text, err := os.ReadFile(journal)
	require.NoError(t, err)
	require.Equal(t, strings.Repeat("begin\nend\n", arms*repetitions), string(text))
}

func TestFailures(t *testing.T) {
	good := build(t, "nothing")
	for _, mode := range []string{"fails", "fails later", "panics", "ends"} {
		t.Run(mode, func(t *testing.T) {
			bad := build(t, mode)
			_, err := Run(t.Context(), config(good, bad, suite))
			require.ErrorContains(t, err, "benchmarks ^BenchmarkNothing$ of p: p.test failed")
			require.ErrorContains(t, err, "as it must")

			r, err := Run(t.Context(), config(bad, good, suite))
			require.NoError(t, err, "what base cannot do is no fault of head's")
			require.Len(t, r.Failed, 1)
			require.Contains(t, r.Failed[0], "base: p.test failed")
			require.Empty(t, r.Series)
		})
	}
	_, err := Run(t.Context(), config(good, Side{Programs: t.TempDir()}, suite))
	require.ErrorContains(t, err, "p.test: no such file")
}

// Suites get as many rounds as a decision takes in turn, and then as much time as each other.
func TestNext(t *testing.T) {
	m := measurement{Config: Config{Least: 1, Most: 20, Until: time.Now().Add(time.Hour)}}
	quick, slow := &state{}, &state{}
	m.states = []*state{slow, quick}
	for range 24 {
		s := m.next()
		s.rounds++
		s.spent += map[*state]time.Duration{quick: time.Second, slow: 2 * time.Second}[s]
	}
	require.Equal(t, 8, slow.rounds)
	require.Equal(t, 16, quick.rounds)
	slow.broken, quick.rounds = true, 20
	require.Nil(t, m.next())

	m.states, m.Until = []*state{{rounds: 1}, {longest: time.Hour}}, time.Now()
	require.Same(t, m.states[1], m.next(), "at least one round, whatever the time")
	m.states[1].rounds++
	require.Nil(t, m.next())
}

func TestNoBenchmarks(t *testing.T) {
	good, none := build(t, "nothing"), build(t, "none")
	r, err := Run(t.Context(), config(none, good, suite))
	require.NoError(t, err)
	require.Equal(t, []string{"p.Nothing/one", "p.Nothing/two"}, r.Unlike)
	require.Empty(t, r.Series)
}

func TestInterrupted(t *testing.T) {
	side, journal := build(t, "hangs"), filepath.Join(t.TempDir(), "journal")
	t.Setenv("JOURNAL", journal)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error)
	go func() {
		_, err := Run(ctx, config(side, side, suite))
		ended <- err
	}()
	require.Eventually(t, func() bool { _, err := os.Stat(journal); return err == nil }, patience, time.Millisecond)
	cancel()
	require.ErrorIs(t, <-ended, context.Canceled)
}

func TestOnce(t *testing.T) {
	side := build(t, "nothing")
	e := Exact{Package: "p", Bench: "^BenchmarkNothing$/^two$", Unit: "calls/datagram"}
	value, ok, err := e.Once(t.Context(), side)
	require.NoError(t, err)
	require.True(t, ok)
	require.Equal(t, 7.0, value)
	e.Bench = "^BenchmarkOther$"
	_, ok, err = e.Once(t.Context(), side)
	require.NoError(t, err)
	require.False(t, ok)
	_, _, err = e.Once(t.Context(), build(t, "ends"))
	require.ErrorContains(t, err, "as it must")
}
