package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"supernode/bench/inprocess"
	"supernode/bench/regress"
	"supernode/bench/revision"
)

// The programs of a revision. What is served and what loads it are compared by size, too.
const (
	supernodeBinary = "supernode"
	loadgenBinary   = "loadgen"
)

// targets are what is built of each side.
func (o *regressOptions) targets() []revision.Target {
	all := []revision.Target{
		{Package: "cmd/supernode", Binary: supernodeBinary},
		{Package: "cmd/loadgen", Binary: loadgenBinary},
	}
	add := func(pkg string) {
		t := revision.Target{Package: pkg, Binary: inprocess.Binary(pkg), Test: true}
		if !slices.Contains(all, t) {
			all = append(all, t)
		}
	}
	for _, s := range o.suites() {
		add(s.Package)
	}
	for _, e := range inprocess.Exacts() {
		if !e.Full || !o.short {
			add(e.Package)
		}
	}
	return all
}

// suites are those of the run.
func (o *regressOptions) suites() []inprocess.Suite {
	return slices.DeleteFunc(inprocess.Suites(), func(s inprocess.Suite) bool { return s.Full && o.short })
}

// prepare finds both revisions and builds their programs. The workspace, if there is one, is the caller's to close.
func (r *regression) prepare(ctx context.Context) (*revision.Workspace, error) {
	repo, err := r.repository(ctx)
	if err != nil {
		return nil, err
	}
	base, head, err := r.revisions(ctx, repo)
	if err != nil {
		return nil, err
	}
	r.result.Base, r.result.Head = side(base), side(head)
	r.progress.say("base %s", r.result.Base)
	r.progress.say("head %s", r.result.Head)
	if head.Commit != "" && !head.Tree && head.Commit == base.Commit {
		r.result.Notes = append(r.result.Notes, "base and head are the same commit: whatever is found is a false alarm")
	}
	workspace, err := repo.Workspace(ctx)
	if err != nil {
		return nil, err
	}
	r.dir = workspace.Dir()
	if r.base, err = r.build(ctx, workspace, base, "base"); err != nil {
		err = fmt.Errorf("base %s: %w", base, err)
		if ctx.Err() == nil { // whoever mends it should not be stopped by that
			err = exitError{regress.ExitInconclusive, err}
		}
		return workspace, err
	}
	if r.head, err = r.build(ctx, workspace, head, "head"); err != nil {
		return workspace, fmt.Errorf("head %s: %w", head, err)
	}
	r.supernodes = !r.missing[supernodeBinary]
	return workspace, nil
}

func (r *regression) repository(ctx context.Context) (*revision.Repo, error) {
	dir, err := os.Getwd()
	if err != nil {
		return nil, err
	}
	repo, err := revision.Open(ctx, dir)
	if err != nil {
		return nil, usagef("%w (run bench regress in a clone)", err)
	}
	return repo, nil
}

// revisions settles what is compared with what.
func (r *regression) revisions(ctx context.Context, repo *revision.Repo) (base, head revision.Revision, err error) {
	o := r.options
	if o.headDir != "" {
		head, err = directory(o.headDir)
	} else if head, err = repo.Resolve(ctx, o.head); err != nil {
		err = usagef("--head: %w", err)
	}
	if err != nil {
		return base, head, err
	}
	if o.headDir == "" && o.head == "HEAD" {
		changes, err := repo.Changes(ctx)
		if err != nil {
			return base, head, err
		}
		if len(changes) > 0 {
			return base, head, usagef("--head HEAD: the working tree has changes that HEAD has not, %d files: commit them, or judge the working tree with --head .", len(changes))
		}
	}
	switch {
	case o.baseDir != "":
		base, err = directory(o.baseDir)
	case o.base != "":
		if base, err = repo.Resolve(ctx, o.base); err != nil {
			err = usagef("--base: %w", err)
		}
	case head.Dir != "":
		err = usagef("--head-dir: it says nothing of what to compare with, give --base or --base-dir")
	default:
		base, err = repo.DefaultBase(ctx, head)
	}
	return base, head, err
}

// directory is a revision that somebody has checked out, or built.
func directory(path string) (revision.Revision, error) {
	dir, err := filepath.Abs(path)
	if err != nil {
		return revision.Revision{}, err
	}
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return revision.Revision{}, usagef("%s: not a directory", path)
	}
	return revision.Revision{Name: path, Dir: dir}, nil
}

func side(v revision.Revision) regress.Side {
	name := v.Name
	if v.Tree {
		name = v.String()
	}
	return regress.Side{Name: name, Commit: v.Commit, Title: v.Title}
}

// build checks a revision out, and builds what is to be compared. What it has not got is noted.
func (r *regression) build(ctx context.Context, w *revision.Workspace, v revision.Revision, name string) (s inprocess.Side, err error) {
	root, err := w.Checkout(ctx, v, name)
	if err != nil {
		return s, err
	}
	r.progress.say("building %s", name)
	s = inprocess.Side{Source: root, Programs: filepath.Join(w.Dir(), name+"-bin")}
	missing, err := revision.Build(ctx, root, s.Programs, r.options.targets())
	if err != nil {
		return s, err
	}
	if _, err := os.Stat(filepath.Join(root, "go.mod")); errors.Is(err, fs.ErrNotExist) {
		s = inprocess.Side{Programs: root}
	}
	for _, m := range missing {
		r.missing[m.Binary] = true
		what := "command " + m.Package
		if m.Test {
			what = "benchmarks of " + m.Package
		}
		r.notCompared("%s: %s has none", what, name)
	}
	return s, nil
}
