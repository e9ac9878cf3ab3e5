package conntrack

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"supernode/internal/apart"
)

// TestAcceptsByState finds the rule that an exemption breaks, and is silent where there is none.
func TestAcceptsByState(t *testing.T) {
	apart.NeedProgram(t, "nft")
	apart.NeedProgram(t, "iptables")
	const port = "udp dport 6881 accept"
	for name, c := range map[string]struct{ rules, want string }{
		"by state":             {stateful, "ct state"},
		"the port as such":     {strings.Replace(stateful, "ct state new udp", "udp", 1), ""},
		"nothing is dropped":   {strings.Replace(stateful, "policy drop", "policy accept", 1), ""},
		"iptables":             {"iptables -P INPUT DROP; iptables -A INPUT -m conntrack --ctstate NEW -j ACCEPT", "udp dport 6881 accept"},
		"iptables and a port":  {"iptables -P INPUT DROP; iptables -A INPUT -m conntrack --ctstate NEW -j ACCEPT; iptables -A INPUT -p udp --dport 6881 -j ACCEPT", ""},
		"answers":              {"nft 'table inet f { chain o { type filter hook output priority 0; policy drop; ct state established accept; }; }'", "udp sport 6881 accept"},
		"what is forwarded":    {"nft 'table inet f { chain o { type filter hook forward priority 0; policy drop; ct state established accept; }; }'", ""},
		"in a chain behind it": {"nft 'table inet f { chain s { ct state new accept; }; chain i { type filter hook input priority 0; policy drop; jump s; }; }'", port},
	} {
		t.Run(name, func(t *testing.T) {
			apart.In(t, func() {
				apart.Shell(t, c.rules)
				risk, err := acceptsByState(curePort)
				require.NoError(t, err)
				if c.want == "" {
					require.Empty(t, risk)
					return
				}
				require.Contains(t, risk, c.want)
			})
		})
	}
}

// asked sends a datagram to the port every pause from another namespace, until f returns. f runs in a namespace of its
// own, with the address 10.9.0.1, and the firewall that rules make.
func asked(t *testing.T, pause time.Duration, rules string, f func()) {
	apart.NeedProgram(t, "ip")
	apart.In(t, func() {
		apart.Shell(t, rules)
		thread, linked, end := make(chan int), make(chan bool), make(chan bool)
		done := make(chan error)
		go func() {
			err := apart.Enter()
			thread <- unix.Gettid()
			if !<-linked || err != nil {
				done <- err
				return
			}
			done <- ask(pause, end)
		}()
		tid := <-thread
		ok := false
		defer func() {
			if !ok {
				linked <- false
			}
			<-done
		}()
		apart.Shell(t, fmt.Sprintf("ip link add away type veth peer name far netns %[1]d; ip addr add 10.9.0.1/24 dev away; ip link set away up; "+
			"nsenter --net=/proc/%[1]d/ns/net sh -c "+
			"'ip addr add 10.9.0.2/24 dev far; ip link set far up'", tid))
		ok = true
		linked <- true
		defer close(end)
		f()
	})
}

func ask(pause time.Duration, end <-chan bool) error {
	conn, err := net.Dial("udp", fmt.Sprintf("10.9.0.1:%d", curePort))
	if err != nil {
		return err
	}
	defer conn.Close()
	for tick := time.NewTicker(pause); ; {
		select {
		case <-end:
			tick.Stop()
			return nil
		case <-tick.C:
			_, _ = conn.Write([]byte("q")) // nobody listens, so that every other write says so
		}
	}
}

// TestCureOfQuietServer: few ask, and those that did get through no longer do.
func TestCureOfQuietServer(t *testing.T) {
	apart.NeedProgram(t, "nft")
	asked(t, 40*time.Millisecond, stateful, func() {
		before := apart.Shell(t, "nft list ruleset")
		r, err := Cure(t.Context(), curePort, 200*time.Millisecond)
		require.NoError(t, err)
		require.True(t, r.RolledBack, "%+v", r)
		require.Contains(t, r.Reason, "udp dport 6881 accept")
		require.Equal(t, before, apart.Shell(t, "nft list ruleset"))
	})
}

// TestCureUnproven: nobody asks, so that the firewall's rules have to speak.
func TestCureUnproven(t *testing.T) {
	apart.NeedProgram(t, "nft")
	apart.In(t, func() {
		apart.Shell(t, stateful)
		r, err := Cure(t.Context(), curePort, 10*time.Millisecond)
		require.NoError(t, err)
		require.False(t, r.RolledBack, r.Reason)
		require.True(t, r.Unproven)
		require.Contains(t, r.Risk, "udp dport 6881 accept")
	})
	asked(t, 5*time.Millisecond, strings.Replace(stateful, "ct state new udp", "udp", 1), func() {
		r, err := Cure(t.Context(), curePort, 200*time.Millisecond)
		require.NoError(t, err)
		require.False(t, r.RolledBack, r.Reason)
		require.False(t, r.Unproven, "%+v", r.After)
		require.Empty(t, r.Risk)
	})
}
