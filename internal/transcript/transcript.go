// Package transcript keeps what tests expect in files beside them, testdata/*.txt, written by the program itself when a test
// is told to: look at the difference before believing it.
package transcript

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// Files gives each of the files to replay, and compares what it returns with the file, which is written anew if update
// is set.
func Files(t *testing.T, update bool, replay func(t *testing.T, text string) string) {
	t.Helper()
	paths, err := filepath.Glob("testdata/*.txt")
	require.NoError(t, err)
	require.NotEmpty(t, paths)
	for _, path := range paths {
		t.Run(strings.TrimSuffix(filepath.Base(path), ".txt"), func(t *testing.T) {
			want, err := os.ReadFile(path)
			require.NoError(t, err)
			have := replay(t, string(want))
			if update {
				require.NoError(t, os.WriteFile(path, []byte(have), 0o644))
				return
			}
			require.Equal(t, string(want), have)
		})
	}
}

// Scripts replays files of commands, one a line, empty lines and those that begin with # aside. What happened stands
// indented below each: begin is asked once a file for what runs a command and writes that to out.
func Scripts(t *testing.T, update bool, begin func(t *testing.T, out *bytes.Buffer) (run func(command string) error)) {
	t.Helper()
	Files(t, update, func(t *testing.T, text string) string {
		var out bytes.Buffer
		run := begin(t, &out)
		for i, line := range strings.Split(strings.TrimSuffix(text, "\n"), "\n") {
			if strings.HasPrefix(line, " ") {
				continue
			}
			out.WriteString(line + "\n")
			if line != "" && line[0] != '#' {
				require.NoError(t, run(line), "line %d", i+1)
			}
		}
		return out.String()
	})
}
