package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestRun(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, run(strings.Fields("-clients 50 -torrents 5 -warm-up 5m -duration 5m"), &out))
	for _, want := range []string{"50 clients", "without supernode", "with one supernode", "the supernode knows", "by a client", "asking the supernode", "by the supernode"} {
		require.Contains(t, out.String(), want)
	}
	require.ErrorContains(t, run([]string{"-supernode", "perhaps"}, &out), "must be with")
	require.Error(t, run([]string{"-clients", "many"}, &out))
}
