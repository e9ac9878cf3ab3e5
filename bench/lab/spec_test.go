package lab

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestDefaultIsValid(t *testing.T) {
	s := Default()
	require.NoError(t, s.Validate())
	require.Equal(t, 1<<17, 1<<(32-s.Sources4.Bits()), "the client speaks as 131,072 hosts")
	require.False(t, s.Sources4.Overlaps(s.ServerAddr4))
	require.NotEqual(t, s.ServerCPU, s.ClientCPU)
}

func TestValidate(t *testing.T) {
	p := netip.MustParsePrefix
	for _, c := range []struct {
		name   string
		change func(*Spec)
		want   string
	}{
		{"name", func(s *Spec) { s.Name = "a.b" }, "use 1 to 16"},
		{"long name", func(s *Spec) { s.Name = strings.Repeat("a", 17) }, "use 1 to 16"},
		{"negative core", func(s *Spec) { s.ClientCPU = -1 }, "must not be negative"},
		{"missing address", func(s *Spec) { s.ServerAddr4 = netip.Prefix{} }, "is not an IPv4 prefix"},
		{"IPv6 for IPv4", func(s *Spec) { s.Sources4 = s.Sources6 }, "is not an IPv4 prefix"},
		{"IPv4 for IPv6", func(s *Spec) { s.ServerAddr6 = s.ServerAddr4 }, "is not an IPv6 prefix"},
		{"same address", func(s *Spec) { s.ClientAddr4 = s.ServerAddr4 }, "share the address"},
		{"two subnets", func(s *Spec) { s.ClientAddr6 = p("fd00:19::2/64") }, "not in one subnet"},
		{"two lengths", func(s *Spec) { s.ClientAddr4 = p("10.18.0.2/29") }, "not in one subnet"},
		{"host bits", func(s *Spec) { s.Sources4 = p("198.18.0.1/15") }, "use 198.18.0.0/15"},
		{"overlap", func(s *Spec) { s.ServerAddr4, s.ClientAddr4 = p("198.18.0.1/30"), p("198.18.0.2/30") }, "overlap the link"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := Default()
			c.change(&s)
			require.ErrorContains(t, s.Validate(), c.want)
		})
	}
}

func TestNamesOfConstants(t *testing.T) {
	require.Equal(t, "server client", Server.String()+" "+Client.String())
	require.Equal(t, "plain stateful notrack", RulesPlain.String()+" "+RulesStateful.String()+" "+RulesNotrack.String())
	require.Equal(t, "Side(7) Ruleset(9)", Side(7).String()+" "+Ruleset(9).String())
}

func TestParseNamespace(t *testing.T) {
	for _, id := range []identity{
		{false, 4711, 998877, "1"},
		{true, 1, 0, "a-b-c"},
	} {
		for _, side := range []Side{Server, Client} {
			got, gotSide, ok := parseNamespace(id.namespace(side))
			require.True(t, ok)
			require.Equal(t, id, got)
			require.Equal(t, side, gotSide)
		}
	}
	for _, name := range []string{
		"", "blue", "supernode-lab", "supernode-lab.1.2.a", "supernode-lab.1.2.a.middle", "supernode-lab.0.2.a.server",
		"supernode-lab.-1.2.a.server", "supernode-lab.01.2.a.server", "supernode-lab.+1.2.a.server", "supernode-lab.1.x.a.server",
		"supernode-lab.1.2..server", "supernode-lab.1.2.A.server", "supernode-lab.1.2.a.server.x", "other-lab.1.2.a.server",
	} {
		_, _, ok := parseNamespace(name)
		require.False(t, ok, "%q was made by no lab", name)
	}
}

func FuzzParseNamespace(f *testing.F) {
	f.Add("supernode-lab.4711.998877.1.server")
	f.Add("supernode-kept.1.2.a.client")
	f.Fuzz(func(t *testing.T, name string) {
		if id, side, ok := parseNamespace(name); ok {
			require.Equal(t, name, id.namespace(side))
		}
	})
}

func TestParseProcStat(t *testing.T) {
	const tail = " S 1 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 424242 9 9"
	for _, c := range []struct {
		in    string
		state byte
		start uint64
		ok    bool
	}{
		{"7 (cat)" + tail, 'S', 424242, true},
		{"7 (a) Z (b c)" + tail, 'S', 424242, true},
		{"7 (cat)" + strings.Replace(tail, " S", " Z", 1), 'Z', 424242, true},
		{"7 (cat)" + strings.Replace(tail, "424242", "x", 1), 0, 0, false},
		{"7 (cat) S 1 2", 0, 0, false},
		{"7 cat S 1 2", 0, 0, false},
		{"", 0, 0, false},
	} {
		state, start, err := parseProcStat([]byte(c.in))
		require.Equal(t, c.ok, err == nil, "%q: %v", c.in, err)
		require.Equal(t, c.state, state)
		require.Equal(t, c.start, start)
	}
}
