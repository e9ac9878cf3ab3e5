package interop

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
)

var supernodePath = flag.String("supernode", "", "test this supernode binary instead of building one")

// interrupted ends with Ctrl-C: every test then fails and cleans up.
var interrupted context.Context

func TestMain(m *testing.M) {
	flag.Parse()
	os.Exit(run(m))
}

func run(m *testing.M) int {
	dir, err := os.MkdirTemp("", "supernode-interop-")
	if err != nil {
		fmt.Fprintln(os.Stderr, "make directory for programs:", err)
		return 1
	}
	defer os.RemoveAll(dir)
	programs.dir, programs.paths = dir, make(map[string]string)
	var stop context.CancelFunc
	interrupted, stop = signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	return m.Run()
}

// programs holds what was built, each once, by package.
var programs struct {
	sync.Mutex
	dir   string
	paths map[string]string
}

// build compiles a program of the module in dir, with that module's own dependencies.
func build(t *testing.T, dir, pkg string) string {
	t.Helper()
	programs.Lock()
	defer programs.Unlock()
	if path := programs.paths[pkg]; path != "" {
		return path
	}
	path := filepath.Join(programs.dir, filepath.Base(pkg))
	cmd := exec.CommandContext(interrupted, "go", "build", "-o", path, pkg)
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "build %s: %s", pkg, out)
	programs.paths[pkg] = path
	return path
}

func buildSupernode(t *testing.T) string {
	t.Helper()
	if *supernodePath != "" {
		path, err := filepath.Abs(*supernodePath)
		require.NoError(t, err)
		return path
	}
	return build(t, "..", "./cmd/supernode")
}

// needRoot skips a test that needs root. A CI machine must have it.
func needRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		missing(t, "needs root for network namespaces")
	}
}

// missing skips the test for want of what the message names, which is a failure where CI=true says that it is there.
func missing(t *testing.T, message string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(message)
	}
	t.Skip(message)
}
