package conntrack

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	ct "github.com/ti-mo/conntrack"

	"supernode/internal/apart"
)

const curePort = 6881

// stateful is what wakes connection tracking, in the way a firewall does.
const stateful = `nft -f - <<END
table inet filter {
	chain input { type filter hook input priority 0; policy drop;
		iif lo accept
		ct state established,related accept
		ct state new udp dport 6881 accept
	}
	chain output { type filter hook output priority 0; ct state invalid drop; }
}
END`

func TestExemptPort(t *testing.T) {
	apart.NeedProgram(t, "nft")
	apart.In(t, func() {
		apart.Shell(t, stateful)
		before := apart.Shell(t, "nft list ruleset")
		for range 2 { // the second replaces the first
			require.NoError(t, ExemptPort(curePort))
		}
		exempt, err := PortExempt(curePort)
		require.NoError(t, err)
		require.True(t, exempt)
		require.NoError(t, ExemptPort(curePort+1))

		for _, port := range []uint16{curePort, curePort + 1} {
			found, err := UnexemptPort(port)
			require.NoError(t, err)
			require.True(t, found)
			found, err = UnexemptPort(port)
			require.NoError(t, err)
			require.False(t, found, "gone already")
		}
		require.Equal(t, before, apart.Shell(t, "nft list ruleset"))
		require.ErrorContains(t, ExemptPort(0), "port 0")
	})
}

// TestCureHolds: flows of the port leave entries before and none after, and the firewall, which accepts what it does not
// track as well, lets the same through.
func TestCureHolds(t *testing.T) {
	apart.NeedProgram(t, "nft")
	apart.In(t, func() {
		apart.Shell(t, strings.Replace(stateful, "ct state new udp", "udp", 1))
		before := apart.Shell(t, "nft list ruleset")
		r, err := Cure(t.Context(), curePort, 10*time.Millisecond)
		require.NoError(t, err)
		require.False(t, r.RolledBack, r.Reason)
		require.True(t, r.Before.Tracked)
		require.False(t, r.After.Tracked)
		require.True(t, r.After.TrackedKnown)
		require.EqualValues(t, Passage{cureProbes, cureProbes}, r.After.Loop)

		r, err = Cure(t.Context(), curePort, 10*time.Millisecond)
		require.NoError(t, err)
		require.True(t, r.Already)
		require.False(t, r.After.Tracked)

		_, err = UnexemptPort(curePort)
		require.NoError(t, err)
		require.Equal(t, before, apart.Shell(t, "nft list ruleset"))
	})
}

// TestCureTakenBack: the firewall accepts by state alone, so that the exempt datagrams of other hosts are lost.
func TestCureTakenBack(t *testing.T) {
	apart.NeedProgram(t, "nft")
	apart.In(t, func() {
		apart.Shell(t, strings.Replace(stateful, "iif lo accept", "ct state untracked drop", 1))
		before := apart.Shell(t, "nft list ruleset")
		r, err := Cure(t.Context(), curePort, 10*time.Millisecond)
		require.NoError(t, err)
		require.True(t, r.RolledBack)
		require.Contains(t, r.Reason, "udp dport 6881 accept")
		require.Equal(t, before, apart.Shell(t, "nft list ruleset"))
	})
}

// TestCureReplacesWhatWasKilled: what an interrupted cure has left is no exemption.
func TestCureReplacesWhatWasKilled(t *testing.T) {
	apart.NeedProgram(t, "nft")
	for name, left := range map[string][]chainRules{
		"before": counterChains(curePort),
		"after":  append(counterChains(curePort), exemptChains(curePort)...),
		"half":   exemptChains(curePort)[:1],
		"empty":  nil,
	} {
		t.Run(name, func(t *testing.T) {
			apart.In(t, func() {
				apart.Shell(t, strings.Replace(stateful, "ct state new udp", "udp", 1))
				require.NoError(t, install(curePort, left))
				r, err := Cure(t.Context(), curePort, 10*time.Millisecond)
				require.NoError(t, err)
				require.False(t, r.Already)
				whole, err := wholly(curePort)
				require.NoError(t, err)
				require.True(t, whole)
			})
		})
	}
}

func TestCureNeedless(t *testing.T) {
	apart.NeedProgram(t, "nft")
	apart.In(t, func() {
		r, err := Cure(t.Context(), curePort, 10*time.Millisecond)
		require.NoError(t, err)
		require.True(t, r.Needless)
		require.Empty(t, apart.Shell(t, "nft list ruleset"))

		// Tracked, and only loopback is not.
		apart.Shell(t, stateful+"\nnft -f - <<END\ntable inet lo { chain o { type filter hook output priority raw; oif lo notrack; }\n}\nEND")
		conn, err := ct.Dial(nil)
		require.NoError(t, err)
		defer conn.Close()
		seed(t, conn, "203.0.113.1:1000", "127.0.0.1:6881", 0, 29)
		r, err = Cure(t.Context(), curePort, 10*time.Millisecond)
		require.NoError(t, err)
		require.False(t, r.Needless)
		require.False(t, r.RolledBack, r.Reason)
	})
}

func TestCureStopped(t *testing.T) {
	apart.In(t, func() {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := Cure(ctx, curePort, time.Hour)
		require.ErrorIs(t, err, context.Canceled)
		exempt, err := PortExempt(curePort)
		require.NoError(t, err)
		require.False(t, exempt, "taken back")
	})
}

// TestHold: the table goes with its Hold, nobody else can have it meanwhile, and one that nobody holds is replaced.
func TestHold(t *testing.T) {
	apart.In(t, func() {
		require.NoError(t, ExemptPort(curePort), "left behind by somebody")
		h, err := HoldExempt(curePort)
		require.NoError(t, err)
		if !h.Owned {
			apart.Lacking(t, "nftables tables with an owner, Linux 5.12")
		}
		_, err = HoldExempt(curePort)
		require.ErrorContains(t, err, "another process holds")
		_, err = UnexemptPort(curePort)
		require.ErrorContains(t, err, "a running node holds the table")
		require.NotContains(t, err.Error(), "CAP_NET_ADMIN", "that is there")
		held, err := Held(curePort)
		require.NoError(t, err)
		require.True(t, held)

		require.NoError(t, h.Close())
		require.NoError(t, h.Close())
		exempt, err := PortExempt(curePort)
		require.NoError(t, err)
		require.False(t, exempt)
	})
}

func TestJudgeCure(t *testing.T) {
	good := Round{In: Passage{1000, 990}, Out: Passage{1000, 1000}, Loop: Passage{3, 3}}
	for name, c := range map[string]struct {
		before, after Round
		want          string
	}{
		"nothing but loopback":      {Round{Loop: Passage{3, 3}}, Round{Loop: Passage{3, 3}}, ""},
		"as before":                 {good, good, ""},
		"the table was full before": {Round{In: Passage{1000, 20}}, good, ""},
		"still tracked":             {good, Round{Tracked: true, TrackedKnown: true}, "still left an entry"},
		"other hosts shut out":      {good, Round{In: Passage{1000, 10}}, "udp dport 6881 accept"},
		"answers shut in":           {good, Round{In: good.In, Out: Passage{1000, 3}}, "udp sport 6881 accept"},
		"shut out, nothing before":  {Round{}, Round{In: Passage{100, 0}}, "no longer arrive"},
		"few, and all lost":         {Round{In: Passage{4, 4}}, Round{In: Passage{3, 0}}, "no longer arrive"},
		"few, and lost before":      {Round{In: Passage{4, 0}}, Round{In: Passage{9, 0}}, ""},
		"few, and one gets through": {Round{In: Passage{4, 4}}, Round{In: Passage{9, 1}}, ""},
		"no longer passed on":       {Round{Forwarded: 8}, Round{Forwarded: 0}, "DNAT"},
		"passed on as before":       {Round{Forwarded: 8}, Round{Forwarded: 7}, ""},
		"too few to tell":           {good, Round{In: Passage{2, 0}}, ""},
		"a rate limit as before":    {Round{In: Passage{1000, 500}}, Round{In: Passage{3000, 1480}}, ""},
		"loopback shut out":         {good, Round{Loop: Passage{3, 0}}, "over loopback"},
		"loopback was shut before":  {Round{Loop: Passage{3, 0}}, Round{Loop: Passage{3, 0}}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			got := judgeCure(curePort, c.before, c.after)
			if c.want == "" {
				require.Empty(t, got)
				return
			}
			require.Contains(t, got, c.want)
		})
	}
}
