// Package internal_test holds the rules of the house that a compiler does not check.
package internal_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// imports says what a package may import directly besides the standard library. Patterns are as in path.Match, with
// /... for everything below; the first rule that matches a package holds.
var imports = []struct {
	packages string
	std      bool     // the standard library, but for forbidden
	allowed  []string // nil: anything
	never    []string
}{
	{packages: "supernode/dht/wire", std: true, allowed: []string{}},
	{packages: "supernode/dht", std: true, allowed: []string{"supernode/dht/wire", "github.com/dchest/siphash"},
		never: []string{"net", "os", "log", "log/slog", "crypto/rand"}},
	{packages: "supernode/dht/sim", std: true, allowed: []string{"supernode/dht", "supernode/dht/wire"}},
	{packages: "supernode/dht/sim/study", std: true, allowed: []string{"supernode/dht", "supernode/dht/sim"}},
	{packages: "supernode/examples/...", std: true, allowed: []string{"supernode/dht", "supernode/dht/wire"}},
	{packages: "supernode/internal/udp", std: true, never: []string{"supernode/dht", "supernode/dht/..."}},
	{packages: "supernode/internal/...", std: true,
		never: []string{"supernode/dht", "supernode/dht/...", "supernode/internal/udp", "supernode/cmd/...", "supernode/bench/..."}},
	{packages: "supernode/cmd/loadgen", std: true, never: []string{"supernode/dht", "supernode/bench/..."}},
	{packages: "supernode/cmd/supernode", std: true, never: []string{"supernode/bench/...", "github.com/anacrolix/..."}},
	// Pure: they work from records on disk, anywhere.
	{packages: "supernode/bench/plan", std: true, never: pureNever},
	{packages: "supernode/bench/stat", std: true, never: pureNever},
	{packages: "supernode/bench/search", std: true, never: pureNever},
	{packages: "supernode/bench/report", std: true, never: pureNever},
	{packages: "supernode/bench/report/...", std: true, never: pureNever},
	{packages: "supernode/bench/peers", std: true, never: pureNever},
	{packages: "supernode/bench/regress", std: true, never: pureNever},
	{packages: "supernode/bench/...", std: true, never: []string{"supernode/dht", "supernode/dht/sim", "supernode/cmd/..."}},
	{packages: "supernode/bench", std: true, never: []string{"supernode/dht", "supernode/dht/...", "supernode/cmd/..."}},
}

var pureNever = []string{
	"supernode/bench/lab", "supernode/bench/measure", "supernode/bench/trial", "supernode/internal/...", "supernode/dht/...",
	"golang.org/x/sys/...", "github.com/vishvananda/...", "github.com/google/nftables", "os/exec",
}

func matches(pattern, pkg string) bool {
	if below, ok := strings.CutSuffix(pattern, "/..."); ok {
		return strings.HasPrefix(pkg, below+"/")
	}
	ok, err := path.Match(pattern, pkg)
	return err == nil && ok
}

type listed struct {
	ImportPath string
	Imports    []string
	Standard   bool
}

// TestImportDirection holds the arrows between packages, on direct imports outside of tests.
func TestImportDirection(t *testing.T) {
	standard := map[string]bool{}
	for _, p := range goList(t, "std") {
		standard[p.ImportPath] = true
	}
	packages := goList(t, "supernode/...")
	checked := map[string]bool{}
	for _, p := range packages {
		for _, rule := range imports {
			if !matches(rule.packages, p.ImportPath) {
				continue
			}
			checked[rule.packages] = true
			for _, imported := range p.Imports {
				forbidden := slices.ContainsFunc(rule.never, func(n string) bool { return matches(n, imported) })
				unlisted := rule.allowed != nil && !standard[imported] && !slices.Contains(rule.allowed, imported)
				require.False(t, forbidden || unlisted, "%s may not import %s", p.ImportPath, imported)
			}
			break
		}
	}
	for _, rule := range imports {
		require.True(t, checked[rule.packages], "no package matches the rule for %s: mend the rule", rule.packages)
	}
}

// TestNoClock keeps time out of the node: its clock is what its embedder says. The command that times simulations may
// look at one.
func TestNoClock(t *testing.T) {
	out, err := exec.Command("git", "-C", "..", "grep", "-nE", `time\.(Now|Since|Until|Sleep|After|Tick|NewTimer|NewTicker)\(`,
		"--", "dht/*.go", ":!dht/*_test.go", ":!dht/sim/study/*.go").CombinedOutput()
	var exit *exec.ExitError
	require.True(t, err == nil || errors.As(err, &exit) && exit.ExitCode() == 1, "git grep: %v %s", err, out)
	require.Empty(t, string(out))
}

func goList(t *testing.T, pattern string) (list []listed) {
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports,Standard", pattern)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	for d := json.NewDecoder(out); ; {
		var p listed
		err := d.Decode(&p)
		if err == io.EOF {
			break
		}
		require.NoError(t, err)
		list = append(list, p)
	}
	require.NoError(t, cmd.Wait())
	require.NotEmpty(t, list)
	return list
}
