package revision

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// repository makes one with a commit for each of the versions of a small program.
func repository(t *testing.T, versions ...string) *Repo {
	t.Helper()
	dir := t.TempDir()
	run(t, dir, "git", "init", "--quiet", "--initial-branch=main")
	for i, source := range versions {
		write(t, dir, "go.mod", "module example.org/m\n\ngo 1.26\n")
		write(t, dir, "cmd/m/main.go", source)
		write(t, dir, "cmd/m/main_test.go", "package main\n\nimport \"testing\"\n\nfunc BenchmarkM(b *testing.B) {\n\tfor b.Loop() {\n\t}\n}\n")
		commit(t, dir, fmt.Sprintf("version %d", i+1))
	}
	r, err := Open(t.Context(), filepath.Join(dir, "cmd"))
	require.NoError(t, err)
	return r
}

const program = "package main\n\nfunc main() {}\n"

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	path := filepath.Join(dir, name)
	require.NoError(t, os.MkdirAll(filepath.Dir(path), 0o755))
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

func commit(t *testing.T, dir, message string) {
	t.Helper()
	run(t, dir, "git", "add", "--all")
	run(t, dir, "git", "-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false", "commit", "--quiet", "--allow-empty", "-m", message)
}

func run(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
}

func resolve(t *testing.T, r *Repo, name string) Revision {
	t.Helper()
	v, err := r.Resolve(t.Context(), name)
	require.NoError(t, err)
	return v
}

func TestResolve(t *testing.T) {
	r := repository(t, program, program+"// 2\n")
	head := resolve(t, r, "HEAD")
	require.Equal(t, "version 2", head.Title)
	require.Len(t, head.Commit, 40)
	require.Equal(t, head.Commit[:12], head.String())
	tree := resolve(t, r, WorkingTree)
	require.Equal(t, head.Commit, tree.Commit)
	require.Equal(t, "the working tree", tree.String())
	for _, name := range []string{"nonsense", "--all", "HEAD~2", ""} {
		_, err := r.Resolve(t.Context(), name)
		require.ErrorContains(t, err, fmt.Sprintf("no revision %q in %s: give a commit", name, r.Root()))
	}
	_, err := Open(t.Context(), t.TempDir())
	require.ErrorContains(t, err, "not a git repository")
}

func TestDefaultBase(t *testing.T) {
	r := repository(t, program, program+"// 2\n", program+"// 3\n")
	base := func(name string) Revision {
		v, err := r.DefaultBase(t.Context(), resolve(t, r, name))
		require.NoError(t, err)
		return v
	}
	require.Equal(t, "version 2", base("HEAD").Title, "the parent, where there is no origin/main")
	require.Equal(t, "its parent", base("HEAD").Name)
	require.Equal(t, "version 2", base(WorkingTree).Title, "of a tree without changes too")
	write(t, r.Root(), "notes.txt", "")
	require.Equal(t, "version 2", base(WorkingTree).Title, "nothing that is built")
	write(t, r.Root(), "new/new.go", "")
	require.Equal(t, "version 3", base(WorkingTree).Title, "what the changes are made to")
	write(t, r.Root(), "go.mod", "module example.org/other\n")
	changes, err := r.Changes(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{" M go.mod", "?? new/new.go"}, changes)

	run(t, r.Root(), "git", "update-ref", "refs/remotes/origin/main", "HEAD~2")
	require.Equal(t, "version 1", base("HEAD").Title)
	require.Equal(t, "where it left origin/main", base("HEAD").Name)
	require.Equal(t, "version 1", base(WorkingTree).Title)
	run(t, r.Root(), "git", "update-ref", "refs/remotes/origin/main", "HEAD")
	require.Equal(t, "version 2", base("HEAD").Title, "on origin/main itself, the parent")

	_, err = r.DefaultBase(t.Context(), resolve(t, r, "HEAD~2"))
	require.ErrorIs(t, err, ErrNoParent)
}

// A shallow clone ends at its head.
func TestShallow(t *testing.T) {
	r := repository(t, program, program+"// 2\n")
	dir := filepath.Join(t.TempDir(), "clone")
	run(t, r.Root(), "git", "clone", "--quiet", "--depth=1", "file://"+r.Root(), dir)
	shallow, err := Open(t.Context(), dir)
	require.NoError(t, err)
	_, err = shallow.DefaultBase(t.Context(), resolve(t, shallow, "HEAD"))
	require.ErrorIs(t, err, ErrNoParent)
}

func worktrees(t *testing.T, r *Repo) int {
	t.Helper()
	list, err := r.git(t.Context(), "worktree", "list")
	require.NoError(t, err)
	return strings.Count(list+"\n", "\n")
}

func TestWorkspace(t *testing.T) {
	r := repository(t, program, program+"// 2\n")
	w, err := r.Workspace(t.Context())
	require.NoError(t, err)
	base, err := w.Checkout(t.Context(), resolve(t, r, "HEAD~1"), "base")
	require.NoError(t, err)
	text, err := os.ReadFile(filepath.Join(base, "cmd/m/main.go"))
	require.NoError(t, err)
	require.Equal(t, program, string(text))
	head, err := w.Checkout(t.Context(), resolve(t, r, WorkingTree), "head")
	require.NoError(t, err)
	require.Equal(t, r.Root(), head)
	require.Equal(t, 2, worktrees(t, r))

	// Another run does not take it for one of a process that is no more.
	other, err := r.Workspace(t.Context())
	require.NoError(t, err)
	require.DirExists(t, base)
	require.NoError(t, other.Close())

	interrupted, cancel := context.WithCancel(t.Context())
	cancel()
	_, err = w.Checkout(interrupted, resolve(t, r, "HEAD"), "late")
	require.ErrorIs(t, err, context.Canceled)
	require.NoError(t, w.Close())
	require.NoDirExists(t, w.Dir())
	require.Equal(t, 1, worktrees(t, r))
	require.DirExists(t, r.Root())
}

// What a killed run left is removed by the next, and nothing else.
func TestSweep(t *testing.T) {
	r := repository(t, program)
	gone := exec.Command("true")
	require.NoError(t, gone.Run())
	dir := filepath.Join(t.TempDir(), fmt.Sprintf("%s%d-123", prefix, gone.ProcessState.Pid()))
	t.Setenv("TMPDIR", t.TempDir())
	bare := filepath.Join(os.TempDir(), filepath.Base(dir))
	require.NoError(t, os.Mkdir(bare, 0o755))
	alive := filepath.Join(os.TempDir(), fmt.Sprintf("%s%d-123", prefix, os.Getpid()))
	require.NoError(t, os.Mkdir(alive, 0o755))
	left, other := filepath.Join(dir, "base"), filepath.Join(t.TempDir(), "mine")
	run(t, r.Root(), "git", "worktree", "add", "--detach", "--quiet", left)
	run(t, r.Root(), "git", "worktree", "add", "--detach", "--quiet", other)
	w, err := r.Workspace(t.Context())
	require.NoError(t, err)
	defer w.Close()
	require.NoDirExists(t, dir)
	require.NoDirExists(t, bare)
	require.DirExists(t, alive)
	require.DirExists(t, other)
	require.Equal(t, 2, worktrees(t, r))
}

func TestBuild(t *testing.T) {
	r := repository(t, program)
	out := t.TempDir()
	all := []Target{{Package: "cmd/m", Binary: "m"}, {Package: "cmd/m", Binary: "m.test", Test: true}, {Package: "cmd/n", Binary: "n"}}
	missing, err := Build(t.Context(), r.Root(), out, all)
	require.NoError(t, err)
	require.Equal(t, all[2:], missing)
	require.FileExists(t, filepath.Join(out, "m"))
	list, err := exec.Command(filepath.Join(out, "m.test"), "-test.list=.").Output()
	require.NoError(t, err)
	require.Equal(t, "BenchmarkM\n", string(list))

	missing, err = Build(t.Context(), out, "", all) // what was built is taken as it is
	require.NoError(t, err)
	require.Equal(t, all[2:], missing)
	_, err = Build(t.Context(), t.TempDir(), "", all)
	require.ErrorContains(t, err, "holds neither a go.mod nor any program to compare, such as m")

	write(t, r.Root(), "cmd/m/main.go", "package main\n\nfunc main() { nonsense() }\n")
	_, err = Build(t.Context(), r.Root(), out, all)
	require.ErrorContains(t, err, "build cmd/m in "+r.Root())
	require.ErrorContains(t, err, "undefined: nonsense")
}
