package main

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/regress"
)

// history is a small repository with packages where this one has them, and so the benchmarks that are compared.
type history struct {
	t   *testing.T
	dir string
}

// newHistory begins with a commit in which a query allocates nothing.
func newHistory(t *testing.T) history {
	t.Helper()
	h := history{t, t.TempDir()}
	h.run("git", "init", "--quiet", "--initial-branch=main")
	h.write("go.mod", "module example.org/m\n\ngo 1.26\n")
	h.write("dht/handle.go", "package dht\n\nvar reply = make([]byte, 0, 100)\n\nfunc Handle() []byte { return append(reply[:0], 1) }\n")
	h.write("dht/handle_test.go", `package dht

import "testing"

var sink []byte

func BenchmarkHandle(b *testing.B) {
	b.Run("ping", func(b *testing.B) {
		for range b.N {
			sink = Handle()
		}
	})
}

func BenchmarkMemoryNodes(b *testing.B) {
	b.Run("IPv4", func(b *testing.B) {
		b.Run("100000", func(b *testing.B) { b.ReportMetric(50, "computed-B/node") })
	})
}
`)
	h.commit("good")
	return h
}

func (h history) write(name, text string) {
	path := filepath.Join(h.dir, name)
	require.NoError(h.t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(h.t, os.WriteFile(path, []byte(text), 0o644))
}

func (h history) run(name string, args ...string) string {
	cmd := exec.Command(name, args...)
	cmd.Dir = h.dir
	out, err := cmd.CombinedOutput()
	require.NoError(h.t, err, "%s", out)
	return string(out)
}

func (h history) commit(message string) {
	h.run("git", "add", "--all")
	h.run("git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false", "commit", "--quiet", "--allow-empty", "-m", message)
}

// allocate is the regression: a query that allocates.
func (h history) allocate() {
	h.write("dht/handle.go", "package dht\n\nfunc Handle() []byte { return append(make([]byte, 0, 100), 1) }\n")
}

// begin starts a bench regress with next to no budget: one round.
func (h history) begin(args ...string) *running {
	in := func(cmd *exec.Cmd) { cmd.Dir = h.dir }
	return begin(h.t, home(h.t), in, append([]string{"regress", "--short", "--budget", "1s"}, args...)...)
}

func (h history) ended(args ...string) (status int, stdout, stderr string) {
	r := h.begin(args...)
	status = r.end()
	return status, r.stdout.String(), r.told.String()
}

// requireClean checks that no worktree is left.
func (h history) requireClean() {
	require.Equal(h.t, 1, strings.Count(h.run("git", "worktree", "list"), "\n"))
	require.Empty(h.t, h.run("git", "status", "--porcelain", "--ignored"), "the working tree is left alone")
}

// A hand-made regression, an allocation more in each query, is found whatever the machine is busy with.
func TestRegressFindsAnAllocation(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.allocate()
	h.commit("bad")
	out, kept := filepath.Join(t.TempDir(), "out"), filepath.Join(t.TempDir(), "history.jsonl")
	status, stdout, stderr := h.ended("--out", out, "--history", kept, "--advisory")
	require.Equal(t, 1, status, stderr)
	h.requireClean()
	require.Contains(t, stdout, "broken gate: dht.Handle/ping: 1 allocs/op, where base has 0 (no more than base)\n")
	require.Contains(t, stdout, "not compared: benchmarks of cmd/supernode: base has none\n")
	require.Contains(t, stdout, "report: "+filepath.Join(out, regress.MarkdownFile))
	require.True(t, strings.HasPrefix(lastLine(stderr), "bench: regression: 2 broken gates"), stderr)
	require.NotContains(t, stdout+stderr, "\x1b")

	text, err := os.ReadFile(filepath.Join(out, regress.ResultFile))
	require.NoError(t, err)
	var result regress.Result
	require.NoError(t, json.Unmarshal(text, &result))
	require.Equal(t, regress.Regression, result.Verdict)
	require.Equal(t, "bad", result.Head.Title)
	require.Equal(t, "good", result.Base.Title)
	require.Len(t, result.Gates, 3, "bytes beside allocations, and the memory of a node")
	for _, name := range []string{regress.MarkdownFile, regress.BaseFile, regress.HeadFile} {
		require.FileExists(t, filepath.Join(out, name))
	}
	status, _, stderr = h.ended("--out", out)
	require.Equal(t, 2, status)
	require.Contains(t, stderr, "it holds the regress.json of an earlier run")

	page := filepath.Join(t.TempDir(), "trend.html")
	status, stdout, stderr = ended(t, home(t), nil, "trend", kept, "--out", page)
	require.Zero(t, status, stderr)
	require.Equal(t, "1 runs: "+page+"\n", stdout)
	text, err = os.ReadFile(page)
	require.NoError(t, err)
	require.Contains(t, string(text), "dht.Handle/ping")
}

// The working tree, uncommitted, against what it grew from; and a run that can say nothing of timings says so.
func TestRegressWorkingTree(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.allocate()
	out := t.TempDir()
	status, _, stderr := h.ended("--out", filepath.Join(out, "refused"))
	require.Equal(t, 2, status)
	require.Equal(t, "bench: --head HEAD: the working tree has changes that HEAD has not, 1 files: commit them, or judge the working tree with --head .\n", stderr)
	status, stdout, stderr := h.ended("--head", ".", "--out", filepath.Join(out, "tree"))
	require.Equal(t, 1, status, stderr)
	require.Contains(t, stdout, "head the working tree (")
	require.Contains(t, stdout, "broken gate: dht.Handle/ping")

	h.run("git", "checkout", "--quiet", ".")
	status, stdout, stderr = h.ended("--base", "HEAD", "--out", filepath.Join(out, "same"))
	require.Contains(t, stdout, "gates: 3 of 3 hold")
	require.Contains(t, stdout, "whatever is found is a false alarm")
	// How many rounds there is time for is the machine's affair: too few say nothing, and enough say that nothing is slower.
	if status != 0 {
		require.Equal(t, 3, status, stderr)
		require.Contains(t, stdout, "inconclusive: ")
	}
	h.requireClean()
}

// Where there is nothing to compare with, nobody is to blame.
func TestRegressWithoutBase(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	status, stdout, stderr := h.ended()
	require.Zero(t, status, stderr)
	require.Regexp(t, `^nothing to compare: revision [0-9a-f]{12}: it has no parent here to compare it with\n$`, stdout)

	h.write("dht/handle.go", "package dht\n\nfunc Handle() []byte { return nonsense }\n")
	h.commit("does not compile")
	status, _, stderr = h.ended()
	require.Equal(t, 1, status)
	require.Contains(t, stderr, "undefined: nonsense")
	h.requireClean()
	h.write("dht/handle.go", "package dht\n\nfunc Handle() []byte { return nil }\n")
	h.commit("does again")
	status, _, stderr = h.ended()
	require.Equal(t, 3, status)
	require.Contains(t, stderr, "bench: base ")
	require.Contains(t, stderr, "undefined: nonsense")
	status, stdout, stderr = h.ended("--advisory")
	require.Zero(t, status, stderr)
	require.Contains(t, stdout, "nothing to compare: base ")
	h.requireClean()
}

func TestRegressInterrupted(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	h.commit("the same")
	for _, when := range []string{"building base", "benchmarks, for"} {
		r := h.begin("--budget", "10m", "--out", filepath.Join(t.TempDir(), "out"))
		r.await(when)
		r.signal(syscall.SIGTERM)
		require.Equal(t, 130, r.end(), r.told.String())
		require.Contains(t, lastLine(r.told.String()), "bench: interrupted: ")
		require.Empty(t, processes(t, r.home))
		h.requireClean()
	}
}

// Trees that somebody has checked out, or built, are taken as they are.
func TestRegressDirectories(t *testing.T) {
	t.Parallel()
	h, other := newHistory(t), newHistory(t)
	other.allocate()
	status, stdout, stderr := h.ended("--base-dir", h.dir, "--head-dir", other.dir, "--out", filepath.Join(t.TempDir(), "out"))
	require.Equal(t, 1, status, stderr)
	require.Contains(t, stdout, "broken gate: dht.Handle/ping")
	require.Regexp(t, "(?m)^base "+regexp.QuoteMeta(h.dir)+"$", stdout)

	programs := t.TempDir()
	h.run("go", "test", "-c", "-o", filepath.Join(programs, "dht.test"), "./dht")
	status, stdout, stderr = h.ended("--base-dir", programs, "--head-dir", programs, "--advisory", "--out", filepath.Join(t.TempDir(), "out"))
	require.Zero(t, status, stderr)
	require.Contains(t, stdout, "gates: 3 of 3 hold")
}

func TestRegressUsage(t *testing.T) {
	t.Parallel()
	h := newHistory(t)
	for _, c := range []struct{ args, says string }{
		{"--limit 0", "--limit 0: must be more than 0 and at most 100"},
		{"--size-limit -1", "--size-limit -1: must not be negative"},
		{"--budget 0s", "--budget 0s: must be more than 0"},
		{"--base HEAD --base-dir .", "--base and --base-dir: give one of them"},
		{"--head HEAD --head-dir .", "--head and --head-dir: give one of them"},
		{"--head-dir .", "--head-dir: it says nothing of what to compare with, give --base or --base-dir"},
		{"--base-dir /nonexistent", "/nonexistent: not a directory"},
		{"--base nonsense", `--base: no revision "nonsense" in ` + h.dir},
		{"--head nonsense", `--head: no revision "nonsense" in ` + h.dir},
		{"--cpu 4096", "--cpu 4096: this machine has processors "},
		{"--server-cmd-base x", "--server-cmd-base and --server-cmd-head: one needs the other"},
		{"--server-cmd-base x --server-cmd-head=", "--server-cmd-base and --server-cmd-head: must not be empty"},
		{"--server-cmd-base x --server-cmd-head y --base HEAD", "--server-cmd-base and --base: servers of your own have no revisions here"},
		{"--server-cmd-base x{addr} --server-cmd-head y", "--server-cmd-head \"y\": {addr} must be in it"},
		{"--server-cmd-base x{addr} --server-cmd-head y{addr} --cpu 0", "--server-cmd-base and --cpu: the core is that of benchmarks"},
		{"--payload p", "--payload: it is for --server-cmd-base and --server-cmd-head"},
		{"now", `bench regress: unknown command or argument "now"`},
	} {
		t.Run(c.args, func(t *testing.T) {
			status, stdout, stderr := h.ended(strings.Fields(c.args)...)
			require.Equal(t, 2, status, stderr)
			require.Empty(t, stdout)
			require.Contains(t, stderr, c.says)
			require.Equal(t, 1, strings.Count(stderr, "\n"), stderr)
		})
	}
	for _, c := range []struct{ args, says string }{
		{"trend", "trend takes the FILEs that bench regress --history wrote, at least one"},
		{"trend /nonexistent", "open /nonexistent: no such file"},
		{"trend /dev/null", "no run is in [/dev/null]"},
	} {
		status, _, stderr := ended(t, home(t), nil, strings.Fields(c.args)...)
		require.Equal(t, 2, status)
		require.Contains(t, stderr, c.says)
	}
	outside, err := os.MkdirTemp(built, "outside-")
	require.NoError(t, err)
	status, _, stderr := ended(t, home(t), func(cmd *exec.Cmd) { cmd.Dir = outside }, "regress")
	require.Equal(t, 2, status)
	require.Contains(t, stderr, "run bench regress in a clone")
}
