package conntrack

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func fixture(t testing.TB, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", name))
	require.NoError(t, err)
	return string(b)
}

// seeds gives a fuzz target the fixtures that match.
func seeds(f *testing.F, pattern string) {
	f.Helper()
	files, err := filepath.Glob(filepath.Join("testdata", pattern))
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds in %s: %v", pattern, err)
	}
	for _, name := range files {
		f.Add(fixture(f, strings.TrimPrefix(name, "testdata/")))
	}
}

func TestParseSlabOfKernels(t *testing.T) {
	for name, want := range map[string]uint64{"linux-2.6.18": 304, "linux-3.10": 320, "linux-6.18": 256, "without": 0} {
		got, err := parseSlab(strings.NewReader(fixture(t, "slab/"+name+".txt")))
		require.NoError(t, err, name)
		require.Equal(t, want, got, name)
	}
	_, err := parseSlab(strings.NewReader("nf_conntrack 1 2 big 4\n"))
	require.ErrorContains(t, err, `"big" is not a number`)
	_, err = parseSlab(strings.NewReader(strings.Repeat("x", 2*maxLine)))
	require.ErrorContains(t, err, "token too long")
}

func TestParseModulesOfKernels(t *testing.T) {
	for name, want := range map[string][]Module{
		"linux-2.6.18": {{"ip_conntrack", []string{"ipt_MASQUERADE", "iptable_nat", "ip_nat"}}},
		"linux-3.10": {
			{"nf_conntrack_ipv4", []string{}},
			{"nf_conntrack", []string{"ipt_MASQUERADE", "nf_nat", "nf_nat_ipv4", "xt_conntrack", "iptable_nat", "nf_conntrack_ipv4"}},
		},
		"linux-6.1": {
			{"nf_conntrack_netlink", []string{}},
			{"xt_conntrack", []string{}},
			{"nf_conntrack", []string{"nf_conntrack_netlink", "xt_conntrack", "nft_ct", "nf_nat"}},
		},
	} {
		got, err := parseModules(strings.NewReader(fixture(t, "modules/"+name+".txt")))
		require.NoError(t, err, name)
		require.Equal(t, want, got, name)
	}
}

func TestIsTableFull(t *testing.T) {
	for record, want := range map[string]bool{
		"4,1234,5678901,-;nf_conntrack: table full, dropping packet\n":                         true,
		"4,1234,5678901,-;nf_conntrack: nf_conntrack: table full, dropping packet\n":           true, // with the module's name, 4.7 on
		"4,1234,5678901,-;nf_conntrack: table full in netns 4026532218, dropping packet\n":     true,
		"4,1234,5678901,-;ip_conntrack: table full, dropping packet.\n":                        true,
		"4,1234,5678901,-,caller=T1;nf_conntrack: table full, dropping packet\n SUBSYSTEM=x\n": true,
		"12,1,2,-;nf_conntrack: table full, dropping packet\n":                                 false, // a program wrote it
		"4,1,2,-;nf_conntrack: expectation table full\n":                                       false,
		"4,1,2,-;eth0: link up\n nf_conntrack: table full, dropping packet\n":                  false, // of the next line
		"4,1,2,-;net_ratelimit: 44 callbacks suppressed\n":                                     false,
		"nf_conntrack: table full, dropping packet":                                            false, // no record
		"x,1;nf_conntrack: table full, dropping packet":                                        false,
		"": false,
	} {
		require.Equal(t, want, isTableFull([]byte(record)), "%q", record)
	}
}

func TestParseSockets(t *testing.T) {
	var s Sockets
	require.NoError(t, s.parseUDP(strings.NewReader(fixture(t, "sockets/udp.txt")), 6881))
	require.NoError(t, s.parseUDP(strings.NewReader(fixture(t, "sockets/udp6.txt")), 6881))
	require.NoError(t, s.parseSNMP(strings.NewReader(fixture(t, "sockets/snmp.txt"))))
	require.NoError(t, s.parseSNMP6(strings.NewReader(fixture(t, "sockets/snmp6.txt"))))
	require.Equal(t, Sockets{
		Bound: true, PortDrops: 1234 + 6 + 10, ReceiveBufferErrors: 9 + 4, SendBufferErrors: 3 + 1, OutDiscards: 41 + 5,
	}, s)

	s = Sockets{}
	require.NoError(t, s.parseUDP(strings.NewReader(fixture(t, "sockets/udp-2.6.18.txt")), 6881))
	require.Equal(t, Sockets{Bound: true}, s, "before drops were counted")

	s = Sockets{}
	require.NoError(t, s.parseUDP(strings.NewReader(fixture(t, "sockets/udp.txt")), 6882))
	require.Equal(t, Sockets{}, s, "no socket has the port")
}

func TestParseSocketsRefuses(t *testing.T) {
	var s Sockets
	udp := func(in string) error { return s.parseUDP(strings.NewReader(in), 6881) }
	snmp := func(in string) error { return s.parseSNMP(strings.NewReader(in)) }
	snmp6 := func(in string) error { return s.parseSNMP6(strings.NewReader(in)) }
	for _, c := range []struct {
		parse    func(string) error
		in, want string
	}{
		{udp, "1: 00000000 x\n", "no port"},
		{udp, "1: 00000000:1AE1 3 4 5 6 7 8 9 10 11 12 many\n", "not a number"},
		{snmp, "Udp: RcvbufErrors\n", "no numbers follow"},
		{snmp, "Udp: RcvbufErrors\nUdp: 1 2\n", "3 numbers under 2 names"},
		{snmp, "Udp: RcvbufErrors\nIp: 1\n", "numbers under"},
		{snmp, "Udp: RcvbufErrors\nUdp: many\n", "not a number"},
		{snmp6, "Ip6OutDiscards\n", "not a name and a number"},
		{snmp6, "Ip6OutDiscards -1\n", "not a number"},
	} {
		require.ErrorContains(t, c.parse(c.in), c.want, "%q", c.in)
	}
}

// FuzzParseSlab: whatever is accepted is a line's fourth column, and that line alone gives the same.
func FuzzParseSlab(f *testing.F) {
	seeds(f, "slab/*.txt")
	f.Fuzz(func(t *testing.T, in string) {
		size, err := parseSlab(strings.NewReader(in))
		if err != nil {
			require.Zero(t, size)
			return
		}
		if size == 0 {
			return
		}
		alone := false
		for line := range strings.Lines(in) {
			again, err := parseSlab(strings.NewReader(line))
			alone = alone || err == nil && again == size
		}
		require.True(t, alone)
	})
}

// FuzzParseModules: each module is of connection tracking, its name and holders are words, and printed as the kernel
// prints them they are read again.
func FuzzParseModules(f *testing.F) {
	seeds(f, "modules/*.txt")
	f.Fuzz(func(t *testing.T, in string) {
		modules, err := parseModules(strings.NewReader(in))
		if err != nil {
			return
		}
		var printed strings.Builder
		for _, m := range modules {
			require.Contains(t, m.Name, "conntrack")
			holders := "-"
			if len(m.Holders) > 0 {
				holders = strings.Join(m.Holders, ",") + ","
			}
			printed.WriteString(m.Name + " 4096 1 " + holders + " Live 0x0\n")
		}
		again, err := parseModules(strings.NewReader(printed.String()))
		require.NoError(t, err)
		require.Equal(t, modules, again)
	})
}

// FuzzParseSockets: counters only grow, and only by what lines with a name of ours say.
func FuzzParseSockets(f *testing.F) {
	seeds(f, "sockets/*.txt")
	f.Fuzz(func(t *testing.T, in string) {
		var udp, snmp, snmp6 Sockets
		if udp.parseUDP(strings.NewReader(in), 6881) == nil && udp.PortDrops > 0 {
			require.True(t, udp.Bound)
		}
		_ = snmp.parseSNMP(strings.NewReader(in)) // what a bad line ended stays counted, and is noted as unchecked
		_ = snmp6.parseSNMP6(strings.NewReader(in))
		counted := func(s Sockets) bool { return s.ReceiveBufferErrors|s.SendBufferErrors|s.OutDiscards != 0 }
		if counted(snmp) || counted(snmp6) {
			require.True(t, strings.Contains(in, "Errors") || strings.Contains(in, "OutDiscards"))
		}
		require.Zero(t, udp.OutDiscards+snmp.PortDrops+snmp6.PortDrops)
	})
}

// FuzzIsTableFull: what counts has a kernel's priority in front of the semicolon, and the words behind it.
func FuzzIsTableFull(f *testing.F) {
	f.Add("4,1234,5678901,-;nf_conntrack: table full, dropping packet\n")
	f.Add("4,1234,5678901,-;nf_conntrack: table full in netns 4026532218, dropping packet\n")
	f.Add("12,1,2,-;nf_conntrack: table full, dropping packet\n")
	f.Fuzz(func(t *testing.T, record string) {
		if !isTableFull([]byte(record)) {
			return
		}
		require.Regexp(t, `(?s)^0*[0-7](,[^;]*)?;[^\n]*_conntrack: table full[^\n]*dropping packet`, record)
	})
}
