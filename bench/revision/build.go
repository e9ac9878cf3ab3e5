package revision

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Target is a program to build of a revision.
type Target struct {
	Package string // directory below the root
	Binary  string // file name of what is built
	Test    bool   // the package's test program rather than its command
}

// buildVersion is what programs that are built here say they are. It is the same for every revision, so that sizes
// compare.
const buildVersion = "regress"

// Build builds targets of the source below root into dir, and returns those that this revision has not got. Paths are
// left out of what is built (-trimpath), so that revisions share all of Go's build cache that they have in common.
//
// A directory without a go.mod is taken to hold what was built already.
func Build(ctx context.Context, root, dir string, targets []Target) (missing []Target, err error) {
	if _, err := os.Stat(filepath.Join(root, "go.mod")); errors.Is(err, fs.ErrNotExist) {
		return have(root, targets)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	for _, t := range targets {
		if _, err := os.Stat(filepath.Join(root, t.Package)); errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, t)
			continue
		}
		out := filepath.Join(dir, t.Binary)
		args := []string{"build", "-trimpath", "-buildvcs=false", "-ldflags", "-s -w -X main.version=" + buildVersion, "-o", out, "./" + t.Package}
		if t.Test {
			args = []string{"test", "-c", "-trimpath", "-buildvcs=false", "-o", out, "./" + t.Package}
		}
		if _, err := command(ctx, root, []string{"CGO_ENABLED=0"}, "go", args...); err != nil {
			return nil, fmt.Errorf("build %s in %s: %w", t.Package, root, err)
		}
		if _, err := os.Stat(out); errors.Is(err, fs.ErrNotExist) {
			missing = append(missing, t) // go test -c makes nothing of a package without tests, which is no error
		}
	}
	return missing, nil
}

// have returns the targets that are not among the files of a directory; at least one must be.
func have(dir string, targets []Target) (missing []Target, err error) {
	for _, t := range targets {
		if _, err := os.Stat(filepath.Join(dir, t.Binary)); err != nil {
			missing = append(missing, t)
		}
	}
	if len(missing) == len(targets) {
		return nil, fmt.Errorf("%s holds neither a go.mod nor any program to compare, such as %s", dir, targets[0].Binary)
	}
	return missing, nil
}
