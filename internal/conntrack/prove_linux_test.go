package conntrack

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/internal/apart"
)

// TestProveByInterface: rules that exempt what crosses lo, and not what comes over the wire.
func TestProveByInterface(t *testing.T) {
	apart.NeedProgram(t, "nft")
	for name, match := range map[string][2]string{
		"interface": {`iifname != "away"`, `oifname != "away"`},
		"address":   {"ip saddr != 10.9.0.2", "ip daddr != 10.9.0.2"},
	} {
		t.Run(name, func(t *testing.T) {
			rules := stateful + "\nnft 'table inet raw { chain in { type filter hook prerouting priority raw; " + match[0] +
				" udp dport 6881 notrack; }; chain out { type filter hook output priority raw; " + match[1] + " udp sport 6881 notrack; }; }'"
			rules += "\nnft 'table inet raw6 { chain in { type filter hook prerouting priority raw; meta nfproto ipv6 udp dport 6881 notrack; }; " +
				"chain out { type filter hook output priority raw; meta nfproto ipv6 udp sport 6881 notrack; }; }'"
			apart.In(t, func() {
				apart.Shell(t, rules+"\nip addr add 198.18.0.1/32 dev lo")
				a, err := Prove(curePort)
				require.NoError(t, err)
				require.False(t, a.Exempt, a.Evidence)
				require.Contains(t, a.Evidence, "interface or address")
				observer, err := NewObserver(curePort)
				require.NoError(t, err)
				defer observer.Close()
				o, err := observer.Observe(t.Context(), time.Millisecond)
				require.NoError(t, err)
				require.Contains(t, Judge(o).Unchecked, o.Unchecked[0])
				require.Equal(t, Tracked, Judge(o).Verdict)

				require.NoError(t, ExemptPort(curePort), "for all")
				a, err = Prove(curePort)
				require.NoError(t, err)
				require.True(t, a.Exempt, a.Evidence)
			})
			asked(t, 5*time.Millisecond, rules, func() {
				for deadline := time.Now().Add(5 * time.Second); time.Now().Before(deadline); {
					if n, err := freshFlows(curePort); err != nil || n > 0 {
						require.NoError(t, err)
						break
					}
				}
				a, err := Prove(curePort)
				require.NoError(t, err)
				require.False(t, a.Exempt)
				require.Contains(t, a.Evidence, "datagrams of port 6881 are tracked: 1 flows")
			})
		})
	}
}
