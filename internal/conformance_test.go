package internal_test

import (
	"bufio"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// conformance is the table of the protocol's rules and of the tests that hold them.
const conformance = "../docs/conformance.md"

// row is a line of the table: a rule and its proofs, each a code span: a test as package.TestName, or the path of a
// script.
type row struct {
	line   int
	rule   string
	proofs []string
}

var codeSpan = regexp.MustCompile("`([^`]+)`")

func conformanceRows(t *testing.T) (rows []row) {
	f, err := os.Open(conformance)
	require.NoError(t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		cells := strings.Split(lines.Text(), "|")
		if len(cells) != 4 || strings.HasPrefix(cells[1], "--") || strings.TrimSpace(cells[2]) == "held by" {
			continue
		}
		r := row{line: n, rule: strings.TrimSpace(cells[1])}
		for _, span := range codeSpan.FindAllStringSubmatch(cells[2], -1) {
			r.proofs = append(r.proofs, span[1])
		}
		rows = append(rows, r)
	}
	require.NoError(t, lines.Err())
	return rows
}

// testsIn are the names of a directory's tests, fuzz targets included.
func testsIn(t *testing.T, dir string) map[string]bool {
	declared := regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)\w+)\(`)
	names := map[string]bool{}
	files, err := filepath.Glob(filepath.Join("..", dir, "*_test.go"))
	require.NoError(t, err)
	for _, file := range files {
		source, err := os.ReadFile(file)
		require.NoError(t, err)
		for _, found := range declared.FindAllSubmatch(source, -1) {
			names[string(found[1])] = true
		}
	}
	return names
}

// TestConformanceTable keeps docs/conformance.md true: every rule names a proof, every proof exists, and every
// protocol script is the proof of something.
func TestConformanceTable(t *testing.T) {
	rows := conformanceRows(t)
	require.NotEmpty(t, rows)
	tests, used := map[string]map[string]bool{}, map[string]bool{}
	for _, r := range rows {
		require.NotEmpty(t, r.proofs, "%s:%d: nothing holds %q", conformance, r.line, r.rule)
		for _, proof := range r.proofs {
			used[proof] = true
			if strings.HasSuffix(proof, ".txt") {
				require.FileExists(t, filepath.Join("..", proof), "%s:%d", conformance, r.line)
				continue
			}
			dir, name := path.Split(strings.Replace(proof, ".", "/", 1))
			if tests[dir] == nil {
				tests[dir] = testsIn(t, dir)
			}
			require.True(t, tests[dir][name], "%s:%d: there is no test %s in %s", conformance, r.line, name, dir)
		}
	}
	scripts, err := filepath.Glob("../dht/testdata/*.txt")
	require.NoError(t, err)
	for _, script := range scripts {
		script = filepath.ToSlash(strings.TrimPrefix(script, "../"))
		require.True(t, used[script], "%s is not in %s", script, conformance)
	}
}
