package lab

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestIPCounters(t *testing.T) {
	counts := outgoing{}
	require.NoError(t, eachSNMP([]byte("Icmp: InMsgs\nIcmp: 1\nIp: Forwarding OutRequests OutTransmits\nIp: 2 10 7\nUdp: x\n"), "Ip", counts.add))
	require.NoError(t, eachSNMP6([]byte("Ip6InReceives 5\nIp6OutRequests 4\nIp6OutTransmits 3\nUdp6OutDatagrams 9\nodd\n"), "Ip", counts.add))
	require.Equal(t, outgoing{"OutRequests": 14, "OutTransmits": 10}, counts)

	old := outgoing{}
	require.NoError(t, eachSNMP([]byte("Ip: Forwarding OutRequests\nIp: 2 10\n"), "Ip", old.add))
	require.NotContains(t, old, "OutTransmits", "a kernel that does not say")

	for _, bad := range []string{"", "Ip: OutRequests\n", "Ip: OutRequests\nIp: 1 2\n", "Ip: OutRequests\nIp: x\n"} {
		require.ErrorContains(t, eachSNMP([]byte(bad), "Ip", counts.add), "parse /proc/net/snmp", "%q", bad)
	}
	require.ErrorContains(t, eachSNMP6([]byte("Ip6OutRequests x\n"), "Ip", counts.add), "parse /proc/net/snmp6")
}

// TestUDPTimeouts: they are the server namespace's alone.
func TestUDPTimeouts(t *testing.T) {
	a, b := up(t), up(t)
	for _, l := range []*Lab{a, b} {
		require.NoError(t, l.SetRules(RulesStateful, ServerPort))
	}
	before, err := a.Conntrack()
	require.NoError(t, err)
	restore, err := a.SetUDPTimeouts(5*time.Second, 9500*time.Millisecond)
	require.NoError(t, err)
	during, err := a.Conntrack()
	require.NoError(t, err)
	require.Equal(t, 5*time.Second, during.UDPTimeout)
	require.Equal(t, 10*time.Second, during.UDPStreamTimeout, "whole seconds, rather more")
	other, err := b.Conntrack()
	require.NoError(t, err)
	require.Equal(t, before.UDPTimeout, other.UDPTimeout)
	require.Equal(t, before.UDPStreamTimeout, other.UDPStreamTimeout)
	require.NoError(t, restore())
	after, err := a.Conntrack()
	require.NoError(t, err)
	require.Equal(t, before.UDPTimeout, after.UDPTimeout)
	require.Equal(t, before.UDPStreamTimeout, after.UDPStreamTimeout)
}
