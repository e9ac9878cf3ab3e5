package lab

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseLocks(t *testing.T) {
	const text = `1: POSIX  ADVISORY  WRITE 11 00:16:3578 0 EOF
2: FLOCK  ADVISORY  WRITE 12 00:16:3578 0 EOF
2: -> FLOCK  ADVISORY  WRITE 13 00:16:3578 0 EOF
3: FLOCK  ADVISORY  READ  14 00:16:35789 0 EOF
4: FLOCK  ADVISORY  READ  0 00:16:3578 0 EOF
5: FLOCK  ADVISORY  READ  15 00:16:3578 0 EOF
6: FLOCK
`
	require.Equal(t, []int{12, 15}, parseLocks(text, "00:16:3578"))
	require.Empty(t, parseLocks(text, "00:17:3578"))
}

func TestSharedCores(t *testing.T) {
	require.Empty(t, sharedCores(nil))
	const rest = ", too, so that neither's figures are worth anything: run one after the other"
	require.Equal(t, []string{"process 7 measures on core 0" + rest, "another process measures on core 3" + rest},
		sharedCores(map[int][]int{3: nil, 0: {7, 8}}))
}

// Whoever is second to a core is told of the first.
func TestOccupy(t *testing.T) {
	dirs := filepath.Join(t.TempDir(), "cpu%d")
	require.NoError(t, os.Mkdir(fmt.Sprintf(dirs, 0), 0o755))
	require.NoError(t, os.Mkdir(fmt.Sprintf(dirs, 1), 0o755))
	var first, second cores
	require.Nil(t, first.occupy(dirs, 0, 0))
	defer second.free()
	require.Equal(t, map[int][]int{0: {os.Getpid()}}, second.occupy(dirs, 1, 0))
	require.Len(t, second, 1)
	first.free()
	first.free()
	require.Nil(t, second.occupy(dirs, 0, 7), "there is no core 7")
	require.Len(t, second, 2)
}

// A lab's cores are known to all.
func TestLabOccupies(t *testing.T) {
	l := up(t)
	var other cores
	defer other.free()
	taken := other.occupy(coreDirs, l.spec.ServerCPU, l.spec.ClientCPU)
	require.Len(t, taken, 2, "by this lab, or by another one that it has warned of")
	if len(l.cores) == 2 {
		require.Equal(t, []int{os.Getpid()}, taken[l.spec.ServerCPU])
		require.NoError(t, l.Close())
		require.Empty(t, l.cores)
	} else {
		require.Contains(t, strings.Join(l.Shared(), "\n"), "measures on core")
	}
}
