package pin

import (
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"
)

func TestProcess(t *testing.T) {
	var before unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(0, &before))
	var all List
	for cpu := range maxCPU {
		if before.IsSet(cpu) {
			all = append(all, cpu)
		}
	}
	t.Cleanup(func() { require.NoError(t, Process(all)) })

	require.NoError(t, Process(nil))
	require.NoError(t, Process(all[:1]))
	var now unix.CPUSet
	require.NoError(t, unix.SchedGetaffinity(unix.Getpid(), &now))
	require.Equal(t, 1, now.Count())
	require.True(t, now.IsSet(all[0]))

	require.ErrorContains(t, Process(List{maxCPU}), "may use none of the processors 1023")
}
