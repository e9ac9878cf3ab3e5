package conntrack

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// diagnosed is a table with everything there is to mend.
func diagnosed() Diagnosis {
	d := Diagnosis{Verdict: Dropping, Port: 6881}
	d.Tracking.Present, d.Tracking.Active = true, Yes
	d.Tracking.Rule = "inet filter input handle 4: ct state established,related accept"
	d.Table.Count, d.Table.Limit, d.Table.Buckets, d.Table.EntryBytes = 262_144, 262_144, 65_536, 256
	d.UDP.Unreplied, d.UDP.Stream = 30, 120
	d.Modules = []Module{{Name: "nf_conntrack", Holders: []string{"nf_nat"}}}
	return d
}

func ids(fixes []Fix) (all []string) {
	for _, f := range fixes {
		all = append(all, f.ID)
	}
	return all
}

func TestFixesThatApply(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Diagnosis)
		want   []string
	}{
		"all": {func(*Diagnosis) {},
			[]string{FixNotrack, FixNotrackIPTables, FixDeleteRule, FixRaiseLimit, FixUDPTimeouts, FixBlacklist}},
		"built in, no rule known, short timeouts, limit unread": {func(d *Diagnosis) {
			d.Modules, d.Tracking.Rule, d.UDP.Unreplied, d.UDP.Stream, d.Table.Limit = nil, "", 10, 30, 0
		}, []string{FixNotrack, FixNotrackIPTables}},
		"woken by a chain, not a rule": {func(d *Diagnosis) { d.Tracking.Rule = "ip nat POSTROUTING: nat chain" },
			[]string{FixNotrack, FixNotrackIPTables, FixRaiseLimit, FixUDPTimeouts, FixBlacklist}},
		"inactive": {func(d *Diagnosis) { d.Verdict = Inactive }, nil},
		"exempt":   {func(d *Diagnosis) { d.Verdict = Exempt }, nil},
		"unknown":  {func(d *Diagnosis) { d.Verdict = Unknown }, nil},
	} {
		t.Run(name, func(t *testing.T) {
			d := diagnosed()
			c.change(&d)
			require.Equal(t, c.want, ids(Fixes(d)))
		})
	}
}

func TestFixesSayAll(t *testing.T) {
	for _, f := range Fixes(diagnosed()) {
		for what, text := range map[string]string{"summary": f.Summary, "price": f.Price} {
			require.NotEmpty(t, text, "%s of %s", what, f.ID)
			require.NotContains(t, text, "\n")
		}
		require.NotEmpty(t, f.Commands, f.ID)
		require.NotEmpty(t, f.Undo, f.ID)
	}
}

func fixed(t *testing.T, d Diagnosis, id string) Fix {
	t.Helper()
	for _, f := range Fixes(d) {
		if f.ID == id {
			return f
		}
	}
	require.FailNow(t, "no fix", id)
	return Fix{}
}

func TestRaiseLimit(t *testing.T) {
	for name, c := range map[string]struct {
		change                 func(*Diagnosis)
		limit, buckets, memory string
	}{
		"four times the count": {func(*Diagnosis) {}, "=1048576", "=1048576", "264 MiB"},
		"twice the limit, little in it": {func(d *Diagnosis) { d.Table.Count = 10 },
			"=524288", "=524288", "132 MiB"},
		"by the rate of new flows": {func(d *Diagnosis) { d.Table.Count, d.Capacity.NewFlows = 10, 20_000 },
			"=8388608", "=8388608", "2112 MiB"},
		"more buckets than that": {func(d *Diagnosis) { d.Table.Count, d.Table.Buckets = 10, 1<<20 },
			"=524288", "=1048576", "136 MiB"},
		"beyond what the kernel takes": {func(d *Diagnosis) { d.Capacity.NewFlowsHigh = 1e9 },
			"=1073741824", "=1073741824", "270336 MiB"},
	} {
		t.Run(name, func(t *testing.T) {
			d := diagnosed()
			c.change(&d)
			f := fixed(t, d, FixRaiseLimit)
			require.True(t, strings.HasSuffix(f.Commands[0], "nf_conntrack_max"+c.limit), f.Commands[0])
			require.True(t, strings.HasSuffix(f.Commands[1], "nf_conntrack_buckets"+c.buckets), f.Commands[1])
			require.Contains(t, f.Price, c.memory)
			require.Equal(t, "sysctl -w net.netfilter.nf_conntrack_max=262144", f.Undo[0])
		})
	}
}

func TestTimeoutsAreNotRaised(t *testing.T) {
	d := diagnosed()
	d.UDP.Unreplied, d.UDP.Stream = 5, 120
	f := fixed(t, d, FixUDPTimeouts)
	require.True(t, strings.HasSuffix(f.Commands[0], "udp_timeout=5"), f.Commands[0])
	require.True(t, strings.HasSuffix(f.Commands[1], "udp_timeout_stream=30"), f.Commands[1])
}
