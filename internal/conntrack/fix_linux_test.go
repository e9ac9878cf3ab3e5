package conntrack

import (
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/internal/apart"
)

// do runs the lines of a fix as an operator would.
func do(t *testing.T, lines []string) {
	t.Helper()
	for _, line := range lines {
		apart.Shell(t, line)
	}
}

// inDirectory lets a fix write to a directory of the test's instead of the system's.
func inDirectory(f Fix, dir string) Fix {
	for _, lines := range [][]string{f.Commands, f.Undo} {
		for i := range lines {
			for _, path := range []string{saved, sysctlFile, modprobeFile} {
				lines[i] = strings.ReplaceAll(lines[i], path, filepath.Join(dir, filepath.Base(path)))
			}
		}
	}
	return f
}

// tracked reports whether a flow through the port leaves an entry.
func tracked(t *testing.T, port uint16) bool {
	t.Helper()
	return entryLeft(t, netip.AddrPortFrom(netip.MustParseAddr("127.0.0.1"), port))
}

func entryLeft(t *testing.T, to netip.AddrPort) bool {
	t.Helper()
	left, refused, err := leavesEntry(to)
	require.NoError(t, err)
	require.Zero(t, refused)
	return left
}

// exemptsThePort runs a fix that exempts the port in a namespace that tracks, and undoes it.
func exemptsThePort(t *testing.T, id string) {
	f := fixed(t, diagnosed(), id)
	before := apart.Shell(t, "nft list ruleset")
	require.True(t, tracked(t, 6881))
	do(t, f.Commands)
	require.False(t, tracked(t, 6881))
	require.True(t, tracked(t, 6882), "another port is as it was")
	do(t, f.Undo)
	require.True(t, tracked(t, 6881))
	require.Equal(t, before, apart.Shell(t, "nft list ruleset"))
}

// TestNotrackFix: the printed commands make the very table that ExemptPort makes, once or twice.
func TestNotrackFix(t *testing.T) {
	apart.NeedProgram(t, "nft")
	apart.In(t, func() {
		apart.Shell(t, stateful)
		exemptsThePort(t, FixNotrack)

		f := fixed(t, diagnosed(), FixNotrack)
		do(t, f.Commands)
		do(t, f.Commands)
		printed := apart.Shell(t, "nft list table inet "+ExemptTable(6881))
		do(t, f.Undo)
		require.NoError(t, ExemptPort(6881))
		require.Equal(t, printed, apart.Shell(t, "nft list table inet "+ExemptTable(6881)))
	})
}

func TestNotrackIPTablesFix(t *testing.T) {
	apart.NeedProgram(t, "iptables")
	apart.NeedProgram(t, "nft")
	apart.In(t, func() {
		// iptables makes both chains of its table and leaves them there; so they have to be there before.
		apart.Shell(t, stateful)
		for _, program := range []string{"iptables", "ip6tables"} {
			apart.Shell(t, program+"-restore <<END\n*raw\n:PREROUTING ACCEPT\n:OUTPUT ACCEPT\nCOMMIT\nEND")
		}
		exemptsThePort(t, FixNotrackIPTables)
	})
}

// TestExemptSparesForwarding: what this host only passes on is still tracked, as NAT needs it.
func TestExemptSparesForwarding(t *testing.T) {
	apart.NeedProgram(t, "nft")
	apart.In(t, func() {
		apart.Shell(t, stateful)
		require.NoError(t, ExemptPort(6881))
		apart.Shell(t, "ip link add away type veth peer far; ip link set far up; ip addr add 192.0.2.1/24 dev away; ip link set away up; "+
			"ip neigh add 192.0.2.9 lladdr 02:00:00:00:00:09 dev away")
		entry := entryLeft(t, netip.MustParseAddrPort("192.0.2.9:6881"))
		require.True(t, entry, "a client on this host asks a server elsewhere on the same port")
		require.False(t, entryLeft(t, netip.MustParseAddrPort("192.0.2.1:6881")), "the server here")
	})
}

// TestDeleteRuleFix: with the rule that asked for it goes the tracking, and comes back with it.
func TestDeleteRuleFix(t *testing.T) {
	apart.NeedProgram(t, "nft")
	apart.NeedProgram(t, "iptables")
	for name, c := range map[string]struct{ rules, find, named string }{
		"nft": {`nft -f - <<END
table inet filter {
	chain input { type filter hook input priority 0;
		tcp dport 22 accept
		ct state established,related accept
		udp dport 6881 accept
	}
}
END`, `ct state .* # handle ([0-9]+)`, "inet filter input handle %s: ct state established,related accept"},
		// iptables-restore makes all chains of its table; so they have to be there before.
		"iptables": {`iptables-restore <<END
*filter
:INPUT ACCEPT
:FORWARD ACCEPT
:OUTPUT ACCEPT
-A INPUT -p tcp --dport 22 -j ACCEPT
-A INPUT -m conntrack --ctstate ESTABLISHED -j ACCEPT
-A INPUT -p udp --dport 6881 -j ACCEPT
COMMIT
END`,
			`conntrack.* # handle ([0-9]+)|ct state .* # handle ([0-9]+)`, "ip filter INPUT handle %s: conntrack"},
	} {
		t.Run(name, func(t *testing.T) {
			apart.In(t, func() {
				apart.Shell(t, c.rules)
				m := regexp.MustCompile(c.find).FindStringSubmatch(apart.Shell(t, "nft -a list ruleset"))
				require.NotNil(t, m, apart.Shell(t, "nft -a list ruleset"))
				d := diagnosed()
				d.Tracking.Rule = fmt.Sprintf(c.named, strings.Join(m[1:], ""))
				dir := t.TempDir()
				f := inDirectory(fixed(t, d, FixDeleteRule), dir)

				listing := func() string { return noCounters.ReplaceAllString(apart.Shell(t, "nft list ruleset"), "") }
				before := listing()
				require.True(t, tracked(t, 6881))
				do(t, f.Commands)
				require.False(t, tracked(t, 6881))
				do(t, f.Commands[:1]) // a second run, which finds no rule to delete, keeps what the first has saved
				do(t, f.Undo)
				require.True(t, tracked(t, 6881))
				require.Equal(t, before, listing())
				left, err := os.ReadDir(dir)
				require.NoError(t, err)
				require.Empty(t, left)
			})
		})
	}
}

// noCounters finds what iptables-nft rules have counted, which is not part of a ruleset.
var noCounters = regexp.MustCompile(`counter packets \d+ bytes \d+`)

func TestUDPTimeoutsFix(t *testing.T) {
	apart.NeedProgram(t, "sysctl")
	apart.In(t, func() {
		timeouts := func() [2]float64 {
			facts, err := Read()
			require.NoError(t, err)
			return [2]float64{facts.UDPTimeout.Seconds(), facts.UDPStreamTimeout.Seconds()}
		}
		d, before := diagnosed(), timeouts()
		d.UDP.Unreplied, d.UDP.Stream = before[0], before[1]
		f := fixed(t, d, FixUDPTimeouts)
		do(t, f.Commands)
		require.Equal(t, [2]float64{shortUnreplied, shortStream}, timeouts())
		do(t, f.Undo)
		require.Equal(t, before, timeouts())
	})
}

// TestRaiseLimitFix: limit and buckets are the machine's, which a test leaves alone. So it runs the undo, which writes the
// values that are there, and the files; that the commands write the same keys is what remains.
func TestRaiseLimitFix(t *testing.T) {
	apart.NeedProgram(t, "sysctl")
	apart.In(t, func() {
		facts, err := Read()
		require.NoError(t, err)
		d := diagnosed()
		d.Table.Limit, d.Table.Buckets = facts.Limit, facts.Buckets
		dir := t.TempDir()
		f := inDirectory(fixed(t, d, FixRaiseLimit), dir)
		for i, command := range f.Commands[:2] {
			key, _, _ := strings.Cut(command, "=")
			undo, value, _ := strings.Cut(f.Undo[i], "=")
			require.Equal(t, key, undo)
			now := apart.Shell(t, strings.Replace(key, "sysctl -w", "sysctl -n", 1))
			require.Equal(t, value, strings.TrimSpace(now))
		}
		do(t, f.Commands[2:])
		text, err := os.ReadFile(filepath.Join(dir, filepath.Base(sysctlFile)))
		require.NoError(t, err)
		require.Regexp(t, `^net\.netfilter\.nf_conntrack_max=\d+\nnet\.netfilter\.nf_conntrack_buckets=\d+\n$`, string(text))
		do(t, f.Undo[2:])
		require.NoFileExists(t, filepath.Join(dir, filepath.Base(sysctlFile)))
	})
}

// TestBlacklistFix writes and removes the file; a machine that reboots is beyond a test.
func TestBlacklistFix(t *testing.T) {
	dir := t.TempDir()
	f := inDirectory(fixed(t, diagnosed(), FixBlacklist), dir)
	file := filepath.Join(dir, filepath.Base(modprobeFile))
	do(t, f.Commands[:1])
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "blacklist nf_conntrack\ninstall nf_conntrack /bin/false\n", string(text))
	require.Equal(t, "reboot", f.Commands[len(f.Commands)-1])
	do(t, f.Undo[:1])
	require.NoFileExists(t, file)
}

// TestProve: the port is tracked, by a rule that is named, until our table exempts it.
func TestProve(t *testing.T) {
	apart.NeedProgram(t, "nft")
	apart.In(t, func() {
		// The address is one that datagrams can come in for.
		apart.Shell(t, stateful+"\nip addr add 198.18.0.1/32 dev lo")
		a, err := Prove(6881)
		require.NoError(t, err)
		require.Equal(t, Yes, a.Active)
		require.False(t, a.Exempt, a.Evidence)
		require.Contains(t, a.Rule, "inet filter")
		require.NoError(t, ExemptPort(6881))
		a, err = Prove(6881)
		require.NoError(t, err)
		require.True(t, a.Exempt, a.Evidence)
	})
}
