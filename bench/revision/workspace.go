package revision

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// Workspace is a temporary directory with worktrees of a repository in it.
type Workspace struct {
	repo  *Repo
	dir   string
	trees []string
}

const prefix = "bench-regress-"

// ofProcess finds, in the path of a worktree, the workspace and the process that made it.
var ofProcess = regexp.MustCompile(`^(.*/` + prefix + `(\d+)-[^/]+)/`)

// Workspace makes an empty workspace, and removes those that killed processes have left behind.
func (r *Repo) Workspace(ctx context.Context) (*Workspace, error) {
	if err := r.sweep(ctx); err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", prefix+strconv.Itoa(os.Getpid())+"-")
	if err != nil {
		return nil, fmt.Errorf("make a directory for worktrees: %w", err)
	}
	return &Workspace{repo: r, dir: dir}, nil
}

// sweep removes worktrees of processes that are no more.
func (r *Repo) sweep(ctx context.Context) error {
	list, err := r.git(ctx, "worktree", "list", "--porcelain")
	if err != nil {
		return err
	}
	for line := range strings.Lines(list) {
		path, ok := strings.CutPrefix(strings.TrimSpace(line), "worktree ")
		if !ok {
			continue
		}
		found := ofProcess.FindStringSubmatch(path)
		if found == nil {
			continue
		}
		if !ended(found[2]) {
			continue
		}
		if err := errors.Join(r.removeTree(ctx, path), os.RemoveAll(found[1])); err != nil {
			return fmt.Errorf("remove what a killed process left: %w", err)
		}
	}
	// One that was killed before it had a worktree, or whose repository is gone, left its directory alone.
	dirs, err := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*-*"))
	if err != nil {
		return err
	}
	for _, dir := range dirs {
		if pid, _, _ := strings.Cut(strings.TrimPrefix(filepath.Base(dir), prefix), "-"); ended(pid) {
			_ = os.RemoveAll(dir) // it may be somebody else's
		}
	}
	return nil
}

// ended says whether there is no such process any more.
func ended(pid string) bool {
	n, err := strconv.Atoi(pid)
	return err == nil && n > 0 && errors.Is(syscall.Kill(n, 0), syscall.ESRCH)
}

// Dir is a directory for what is made of the worktrees. It is removed with them.
func (w *Workspace) Dir() string { return w.dir }

// Checkout returns the root of a revision's source: a new worktree, or, for the working tree and for directories, where
// it is.
func (w *Workspace) Checkout(ctx context.Context, v Revision, name string) (string, error) {
	if v.Dir != "" {
		return v.Dir, nil
	}
	if v.Tree {
		return w.repo.root, nil
	}
	tree := filepath.Join(w.dir, name)
	w.trees = append(w.trees, tree) // also of one that is half made
	if _, err := w.repo.git(ctx, "worktree", "add", "--detach", "--quiet", tree, v.Commit); err != nil {
		return "", fmt.Errorf("check out %s: %w", v, err)
	}
	return tree, nil
}

// Close removes the worktrees and the directory. It works after the end of the context that they were made under.
func (w *Workspace) Close() error {
	ctx := context.Background()
	var errs []error
	for _, tree := range w.trees {
		errs = append(errs, w.repo.removeTree(ctx, tree))
	}
	return errors.Join(append(errs, os.RemoveAll(w.dir))...)
}

// removeTree removes a worktree, however far its making went.
func (r *Repo) removeTree(ctx context.Context, tree string) error {
	_, err := r.git(ctx, "worktree", "remove", "--force", "--force", tree) // twice: even one that is locked while it is made
	if err == nil {
		return nil
	}
	if err := os.RemoveAll(tree); err != nil {
		return err
	}
	_, err = r.git(ctx, "worktree", "prune")
	return err
}
