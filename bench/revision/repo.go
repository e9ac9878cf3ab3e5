// Package revision gets at the revisions of a repository: it resolves their names, checks them out beside the working
// tree, which it leaves alone, and builds their programs.
//
// Worktrees (git-worktree(1)) are made in a temporary directory whose name holds the process id. They are removed by
// [Workspace.Close]; those of a process that was killed are removed by the next [Repo.Workspace].
package revision

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// WorkingTree is the name of the tree as it is, committed or not.
const WorkingTree = "."

// ErrNoParent is the error of a history that ends at head, as that of a shallow clone does.
var ErrNoParent = errors.New("it has no parent here to compare it with")

// Repo is a repository with a working tree.
type Repo struct{ root string }

// Open finds the repository that dir is in.
func Open(ctx context.Context, dir string) (*Repo, error) {
	r := Repo{root: dir}
	root, err := r.git(ctx, "rev-parse", "--show-toplevel")
	if err != nil {
		return nil, fmt.Errorf("find the repository of %s: %w", dir, err)
	}
	return &Repo{root: root}, nil
}

// Root is the directory of the working tree.
func (r *Repo) Root() string { return r.root }

// Revision is a commit, or the working tree.
type Revision struct {
	Name   string `json:"name"`             // as it was asked for
	Commit string `json:"commit,omitempty"` // of the working tree, the commit it grew from
	Title  string `json:"title,omitempty"`  // first line of the commit's message
	Tree   bool   `json:"working_tree,omitempty"`
	Dir    string `json:"dir,omitempty"` // of a revision that was given as a directory
}

// String names the revision in a few words.
func (v Revision) String() string {
	switch {
	case v.Dir != "":
		return v.Dir
	case v.Tree:
		return "the working tree"
	}
	return v.Short()
}

// Short is the commit's abbreviated name.
func (v Revision) Short() string { return v.Commit[:min(len(v.Commit), 12)] }

// Resolve finds the commit that a name stands for.
func (r *Repo) Resolve(ctx context.Context, name string) (Revision, error) {
	at := name
	if name == WorkingTree {
		at = "HEAD"
	}
	commit, err := r.git(ctx, "rev-parse", "--verify", "--quiet", "--end-of-options", at+"^{commit}")
	if err != nil {
		return Revision{}, fmt.Errorf("no revision %q in %s: give a commit, tag or branch; a shallow clone may lack it (git fetch --unshallow)", name, r.root)
	}
	title, err := r.git(ctx, "log", "-1", "--format=%s", commit)
	return Revision{Name: name, Commit: commit, Title: title, Tree: name == WorkingTree}, err
}

// DefaultBase is what head is compared with if nobody says: where it left origin/main, or else its parent. For a working
// tree with changes that are on origin/main but for these, it is the commit they are made to.
func (r *Repo) DefaultBase(ctx context.Context, head Revision) (Revision, error) {
	fork, err := r.git(ctx, "merge-base", "origin/main", head.Commit)
	if err == nil && fork != head.Commit {
		base, err := r.Resolve(ctx, fork)
		base.Name = "where it left origin/main"
		return base, err
	}
	if head.Tree {
		if changes, err := r.Changes(ctx); err != nil || len(changes) > 0 {
			return Revision{Name: "HEAD", Commit: head.Commit, Title: head.Title}, err
		}
	}
	base, err := r.Resolve(ctx, head.Commit+"~1")
	if err != nil {
		return base, fmt.Errorf("revision %s: %w", head.Short(), ErrNoParent)
	}
	base.Name = "its parent"
	return base, nil
}

// Changes lists the files that differ from HEAD. Of new ones it lists those that Go would build.
func (r *Repo) Changes(ctx context.Context) (changes []string, err error) {
	out, err := r.git(ctx, "status", "--porcelain", "--untracked-files=all")
	if err != nil {
		return nil, fmt.Errorf("look for changes: %w", err)
	}
	for line := range strings.Lines(out) {
		line = strings.TrimRight(line, "\n")
		if _, isNew := strings.CutPrefix(line, "?? "); !isNew || slices.Contains(built, filepath.Ext(line)) {
			changes = append(changes, line)
		}
	}
	return changes, nil
}

// built are the endings of files that decide what is built.
var built = []string{".go", ".s", ".mod", ".sum", ".pgo"}

// git runs a command in the repository, and returns its output without the last end of line.
func (r *Repo) git(ctx context.Context, args ...string) (string, error) {
	out, err := command(ctx, r.root, nil, "git", args...)
	return strings.TrimRight(out, "\n"), err
}

// command runs a program to its end and returns what it printed. Its error holds what it said on standard error. When ctx
// ends the program is asked to end, so that it can clean up.
func command(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	var out, said bytes.Buffer
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, &out, &said
	cmd.Env = append(os.Environ(), env...)
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 5 * time.Second
	if err := cmd.Run(); err != nil {
		if ctx.Err() != nil {
			return "", context.Cause(ctx)
		}
		if text := strings.TrimSpace(said.String()); text != "" {
			return "", fmt.Errorf("%s %s: %w: %s", name, args[0], err, text)
		}
		return "", fmt.Errorf("%s %s: %w", name, args[0], err)
	}
	return out.String(), nil
}
