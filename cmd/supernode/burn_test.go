//go:build !burn

package main

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/spf13/pflag"
	"github.com/stretchr/testify/require"
)

// What wastes time for self-tests is in binaries that are built for them, and in no others.
func TestBurnIsNotInTheProgram(t *testing.T) {
	const wasteful = "supernode/internal/burn\n"
	require.NotContains(t, dependencies(t), wasteful)
	require.Contains(t, dependencies(t, "-tags", "burn"), wasteful)

	f := pflag.NewFlagSet("", pflag.ContinueOnError)
	registerBurn(f)
	require.Nil(t, f.Lookup("burn"))
}

func dependencies(t *testing.T, flags ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append(append([]string{"list", "-deps"}, flags...), ".")...).Output()
	require.NoError(t, err)
	require.True(t, strings.HasSuffix(string(out), "supernode/cmd/supernode\n"), "the list is whole")
	return string(out)
}
