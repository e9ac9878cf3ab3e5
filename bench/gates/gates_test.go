package gates

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseMetrics(t *testing.T) {
	got := parseMetrics([]byte(`# HELP supernode_syscalls_total System calls.
# TYPE supernode_syscalls_total counter
supernode_syscalls_total{direction="receive"} 10
supernode_syscalls_total{direction="send"} 5
supernode_receive_batch_size_bucket{le="+Inf"} 7
supernode_received_total 1.5e+06
build{version="a b"} 1
nonsense
supernode_bad many

`))
	require.Equal(t, map[string]float64{
		"supernode_syscalls_total": 15, "supernode_receive_batch_size_bucket": 7, "supernode_received_total": 1.5e6, "build": 1,
	}, got)
}

func TestBetween(t *testing.T) {
	before := map[string]float64{
		"supernode_received_total": 100, "supernode_syscalls_total": 50,
		"supernode_receive_batch_size_count": 20, "supernode_receive_batch_size_sum": 100,
	}
	after := map[string]float64{
		"supernode_received_total": 1100, "supernode_syscalls_total": 550,
		"supernode_receive_batch_size_count": 220, "supernode_receive_batch_size_sum": 1100,
	}
	live, err := between(before, after)
	require.NoError(t, err)
	require.Equal(t, Live{CallsPerDatagram: 0.5, BatchFill: 5, Received: 1000}, live)
	_, err = between(after, after)
	require.ErrorContains(t, err, "the server's metrics count 0 datagrams, 0 batches and 0 system calls under load")
}
