package conntrack

import (
	"encoding/json"
	"errors"
	"math"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// observed is an observation of a tracked port with room in the table.
func observed() Observation {
	facts := Facts{
		Present: true, Count: 1000, Limit: 262144, Buckets: 262144, UDPTimeout: 30 * time.Second, UDPStreamTimeout: 120 * time.Second,
		Counters: Counters{Drop: 5, EarlyDrop: 7, InsertFailed: 0, ChainTooLong: 0, ClashResolve: 0}, Sources: map[string]string{FactLimit: "a file"},
	}
	return Observation{
		Port: 6881, Window: 2 * time.Second, First: facts, Last: facts,
		Activity: Activity{Active: Yes, Evidence: "proved"}, Host: Host{EntryBytes: 320},
	}
}

func TestJudge(t *testing.T) {
	count := func(o *Observation, name string, n uint64) {
		c := Counters{}
		for k, v := range o.Last.Counters {
			c[k] = v
		}
		c[name] += n
		o.Last.Counters = c
	}
	for _, c := range []struct {
		name   string
		change func(o *Observation)
		want   Verdict
		says   string
	}{
		{"room", func(*Observation) {}, Tracked, "1000 of 262144 entries"},
		{"absent", func(o *Observation) { o.Last = Facts{} }, Inactive, "no connection tracking"},
		{"not active", func(o *Observation) { o.Activity.Active = No }, Inactive, "proved"},
		{"exempt", func(o *Observation) { o.Activity.Exempt = true }, Exempt, "proved"},
		{"exempt while others lose", func(o *Observation) { o.Activity.Exempt = true; count(o, Drop, 3) }, Exempt, "others lose to the table: 3 packets"},
		{"exempt at the limit", func(o *Observation) { o.Activity.Exempt = true; o.Last.Count = o.Last.Limit }, Exempt, "proved"},
		{"full", func(o *Observation) { o.Last.Count = o.Last.Limit; count(o, Drop, 3) }, Dropping, "3 packets dropped because the table was full in 2.0 s"},
		{"full, and room again", func(o *Observation) { o.Host.TableFull = 1; count(o, Drop, 3) }, Dropping, "3 packets dropped because the table was full"},
		{"full, and evicts", func(o *Observation) { count(o, EarlyDrop, 1); count(o, Drop, 3) }, Dropping, "3 packets dropped because the table was full"},
		{"drops with room", func(o *Observation) { count(o, Drop, 3) }, Dropping, "3 packets dropped for want of an entry, though"},
		{"long chain", func(o *Observation) { count(o, ChainTooLong, 1); count(o, InsertFailed, 1) }, Dropping, "1 packets dropped because a hash chain was too long in 2.0 s"},
		{"clash", func(o *Observation) { count(o, Drop, 1); count(o, InsertFailed, 1) }, Dropping, "1 packets dropped because entries clashed in 2.0 s"},
		{"all of them", func(o *Observation) {
			o.Last.Count = o.Last.Limit
			count(o, Drop, 7)
			count(o, InsertFailed, 5)
			count(o, ChainTooLong, 3)
		}, Dropping, "5 packets dropped because the table was full, 3 packets dropped because a hash chain was too long, 2 packets dropped because entries clashed"},
		{"settled clashes, before 5.10", func(o *Observation) {
			o.Last.Counters = Counters{Drop: 5, EarlyDrop: 7, InsertFailed: 9}
			o.First.Counters = Counters{Drop: 5, EarlyDrop: 7, InsertFailed: 0}
		}, Tracked, "1000"},
		{"loss although nobody could prove it", func(o *Observation) { o.Activity.Active = CannotSay; count(o, Drop, 1) }, Dropping, "1 packets"},
		{"nearly full", func(o *Observation) { o.Last.Count, o.First.Count = 236000, 236000 }, NearLimit, "(90 %)"},
		{"just not nearly full", func(o *Observation) { o.Last.Count, o.First.Count = 235000, 235000 }, Tracked, "235000"},
		{"evicts", func(o *Observation) { count(o, EarlyDrop, 9) }, NearLimit, "9 entries were evicted"},
		{"soon full", func(o *Observation) {
			o.Last.Count = 21000
			o.NewFlows = Sample{20000, 2 * time.Second}
		}, NearLimit, "the table will be full in 24s"},
		{"without a limit", func(o *Observation) { o.Last.Limit = 0 }, Tracked, "holds 1000 entries"},
		{"limit unread", func(o *Observation) { o.Last.Limit, o.Last.Sources = 0, nil }, Unknown, "limit could not be read"},
		{"not proved", func(o *Observation) { o.Activity.Active = CannotSay }, Unknown, "could not be told"},
		{"past losses", func(*Observation) {}, Tracked, "5 packets were dropped for a full table since"},
		{"logged", func(o *Observation) { o.Host.TableFull = 2 }, Tracked, "full table 2 times"},
		{"slow server", func(o *Observation) { o.Sockets[1].PortDrops, o.Sockets[1].ReceiveBufferErrors = 4, 6 }, Tracked, "not connection tracking: 6 datagrams were dropped at full receive buffers (4 of this port)"},
		{"send buffer", func(o *Observation) { o.Sockets[1].SendBufferErrors = 4 }, Tracked, "4 datagrams found the send buffer full"},
		{"send buffer and a rule", func(o *Observation) { o.Sockets[1].SendBufferErrors, o.Sockets[1].OutDiscards = 4, 6 }, Tracked, "2 packets were refused"},
		{"refused by a rule", func(o *Observation) { o.Sockets[1].OutDiscards = 4 }, Tracked, "not connection tracking: 4 packets were refused"},
		{"refused by the table", func(o *Observation) { o.Sockets[1].OutDiscards = 4; count(o, Drop, 4) }, Dropping, "to the sender that is EPERM"},
		{"a socket that was closed", func(o *Observation) { o.Sockets[0].PortDrops = 9 }, Tracked, "no UDP socket has port 6881"},
		{"woken by rules", func(o *Observation) {
			o.Activity.Rule, o.Activity.Rules = "inet f i handle 4: ct state", make([]Rule, 3)
		}, Tracked, "asked for by inet f i handle 4: ct state and 2 other rules"},
	} {
		t.Run(c.name, func(t *testing.T) {
			o := observed()
			c.change(&o)
			d := Judge(o)
			require.Equal(t, c.want, d.Verdict, "%q", d.Evidence)
			require.Contains(t, strings.Join(d.Evidence, "\n"), c.says)
			for _, line := range d.Evidence {
				require.NotEmpty(t, line)
			}
		})
	}
}

func TestJudgeMeasures(t *testing.T) {
	o := observed()
	d := Judge(o)
	require.EqualValues(t, 1000*320+262144*8, d.Table.BytesNow)
	require.EqualValues(t, 262144*320+262144*8, d.Table.BytesAtLimit)
	require.InDelta(t, 262144/30., d.Capacity.Sustainable, 1e-9)
	require.Equal(t, 30., d.UDP.Unreplied)
	require.Empty(t, d.Unchecked)
	require.Equal(t, map[string]string{FactLimit: "a file"}, d.Sources)
	require.False(t, d.Tracking.BuiltIn, "nobody looked for modules")

	o.Host.Sources = map[string]string{FactModules: "another"}
	d = Judge(o)
	require.True(t, d.Tracking.BuiltIn)
	require.Equal(t, map[string]string{FactLimit: "a file", FactModules: "another"}, d.Sources)
	o.Host.Modules = []Module{{Name: "nf_conntrack"}}
	require.False(t, Judge(o).Tracking.BuiltIn)

	o.Host = Host{Unchecked: []string{"entry_bytes: permission denied"}}
	o.Unchecked = []string{"rules: permission denied"}
	o.Last.Unchecked = []string{"buckets: gone"}
	o.Sockets[1].Unchecked = []string{"sockets: gone"}
	d = Judge(o)
	require.EqualValues(t, usualEntryBytes, d.Table.EntryBytes)
	require.Equal(t, []string{"buckets: gone", "entry_bytes: permission denied", "sockets: gone", "rules: permission denied",
		"bytes: an entry is taken to have 256 bytes"}, d.Unchecked)
}

// TestJSONOfDiagnosis holds the contract's names, and that lists are never null.
func TestJSONOfDiagnosis(t *testing.T) {
	for _, o := range []Observation{{}, observed()} {
		b, err := json.Marshal(Judge(o))
		require.NoError(t, err)
		var got map[string]any
		require.NoError(t, json.Unmarshal(b, &got))
		for field, names := range map[string][]string{
			"tracking": {"present", "active", "evidence"},
			"table":    {"count", "limit", "buckets", "fill", "entry_bytes", "bytes_now", "bytes_at_limit"},
			"counters": {"drop", "early_drop", "insert_failed", "chaintoolong"}, "udp_timeout_s": {"unreplied", "stream"},
			"capacity": {"new_flows_per_s", "sustainable_new_flows_per_s", "seconds_to_full"},
			"socket":   {"receive_buffer_errors", "send_buffer_errors"}, "log": {"readable", "table_full_lines"},
		} {
			for _, name := range names {
				require.Contains(t, got[field], name, field)
			}
		}
		for _, list := range []string{"evidence", "unchecked", "fixes", "modules"} {
			require.IsType(t, []any{}, got[list], list)
		}
		require.Contains(t, got, "verdict")
		require.Contains(t, got, "port")
	}
}

func TestVerdictsInOrder(t *testing.T) {
	order := []Verdict{Inactive, Exempt, Tracked, Unknown, NearLimit, Dropping}
	status := []int{0, 0, 0, 3, 1, 2}
	for i, v := range order {
		require.Equal(t, status[i], v.ExitStatus(), v)
		for j, w := range order {
			require.Equal(t, i > j, Worse(v, w) > 0, "%s, %s", v, w)
		}
	}
}

func TestCapacityBoundsWithoutCounting(t *testing.T) {
	o := observed()
	o.First.Count, o.Last.Count = 2800, 3000
	c := capacity(o)
	require.Equal(t, 100., c.NewFlowsLow, "the growth")
	require.Equal(t, 100., c.NewFlowsHigh, "3000 entries in 30 s, and no fewer than the growth")
	require.Nil(t, c.ToFull, "at 100/s and 120 s a flow there will never be more than 12000")

	o.First.Count = 3100 // shrinks
	c = capacity(o)
	require.Zero(t, c.NewFlowsLow)
	require.Equal(t, 100., c.NewFlowsHigh)
	require.Nil(t, c.ToFull)
}

func TestForecast(t *testing.T) {
	o := observed()
	o.First.Count, o.Last.Count = 100000, 110000
	o.NewFlows = Sample{4096, 204800 * time.Microsecond} // 20,000/s, of which 15,000/s expire
	c := capacity(o)
	require.InDelta(t, 20000, c.NewFlows, 1)
	require.Less(t, c.NewFlowsLow, c.NewFlows)
	require.InDelta(t, (262144-110000)/5000., *c.ToFull, 0.01)
	require.Less(t, *c.ToFullLow, *c.ToFull)
	require.Greater(t, *c.ToFullHigh, *c.ToFull)
	require.Contains(t, c.Forecast(), "full in 30s")

	o.NewFlows = Sample{1200, 200 * time.Millisecond} // 6,000/s: expiry may catch up before
	c = capacity(o)
	require.NotNil(t, c.ToFull)
	require.Nil(t, c.ToFullHigh)
	require.Contains(t, c.Forecast(), "perhaps never")

	o.First.Count = o.Last.Count - 10 // lost in the noise
	require.Nil(t, capacity(o).ToFull)
	require.Equal(t, "not full at this rate", capacity(o).Forecast())

	o.Last.Count = o.Last.Limit
	require.Zero(t, *capacity(o).ToFull)
	require.Equal(t, "full", capacity(o).Forecast())
}

// TestPoissonCovers draws counts of known means and asks how often the interval holds the mean.
func TestPoissonCovers(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for _, mean := range []float64{4, 20, 300} {
		const draws = 4000
		held := 0
		for range draws {
			n := uint64(0)
			for at := random.ExpFloat64(); at < mean; at += random.ExpFloat64() {
				n++
			}
			if low, high := poisson(n); low <= mean && mean <= high {
				held++
			}
		}
		require.InDelta(t, 0.95, float64(held)/draws, 0.03, "mean %v", mean)
	}
	low, high := poisson(0)
	require.Zero(t, low)
	require.InDelta(t, -math.Log(0.025), high, 0.02)
}

func TestDuration(t *testing.T) {
	for seconds, want := range map[float64]string{0.26: "300ms", 9: "9s", 61.4: "1m1s", 7260: "2h1m0s", math.Inf(1): "876000h0m0s"} {
		require.Equal(t, want, duration(seconds))
	}
}

func TestConclude(t *testing.T) {
	every := func(is6 bool, in, out, inControl, control leg) []leg {
		legs := []leg{in, out, inControl, control}
		for i, w := range []way{wayIn, wayOut, wayInControl, wayControl} {
			legs[i].ipv6, legs[i].way = is6, w
		}
		return legs
	}
	free, entry := leg{arrived: true}, leg{arrived: true, entry: true}
	lost, full, refused := leg{}, leg{dropped: true}, leg{refused: true, dropped: true}
	hidden, noAddress := leg{err: errHidden}, leg{err: errNoOutside}
	for _, c := range []struct {
		name     string
		four     []leg
		six      []leg
		active   string
		exempt   bool
		unseen   []string
		evidence string
	}{
		{"nothing", every(false, free, free, free, free), nil, No, false, nil, "leave no entries"},
		{"all", every(false, entry, entry, entry, entry), every(true, entry, entry, entry, entry), Yes, false, nil, "are tracked"},
		{"exempt", every(false, free, free, entry, entry), every(true, free, free, entry, entry), Yes, true, nil, "are not"},
		{"exempt in one family", every(false, free, free, entry, entry), every(true, entry, entry, entry, entry), Yes, false, nil, "are tracked"},
		{"exempt where anything is tracked", every(false, free, free, entry, entry), every(true, free, free, free, free), Yes, true, nil, "are not"},
		{"the other family does not speak for the way in", every(false, lost, free, lost, entry), every(true, free, free, free, free), Yes, false, []string{"ip"}, "not every way"},
		{"no address to come in by", every(false, noAddress, free, noAddress, entry), nil, Yes, true, nil, "are not"},
		{"full", every(false, hidden, refused, full, refused), nil, Yes, false, nil, "are tracked"},
		{"full and perhaps exempt", every(false, hidden, free, full, refused), nil, Yes, false, []string{"ip"}, "not every way"},
		{"full and half exempt", every(false, hidden, free, full, refused), every(true, entry, free, entry, entry), Yes, false, nil, "are tracked"},
		{"nothing gets through", every(false, lost, lost, lost, lost), nil, CannotSay, false, nil, "no datagram"},
		{"refused by a rule", every(false, lost, leg{refused: true}, lost, leg{refused: true}), nil, CannotSay, false, nil, "not by a full table"},
		{"no family at all", nil, nil, CannotSay, false, nil, "no datagram"},
		{"an error is told", every(false, leg{err: errors.New("broken")}, entry, lost, entry), nil, Yes, false, nil, "not known, broken: IPv4 in"},
	} {
		a := conclude(6881, append(c.four, c.six...))
		require.Equal(t, c.active, a.Active, c.name)
		require.Equal(t, c.exempt, a.Exempt, c.name)
		require.Equal(t, c.unseen, a.unseen, c.name)
		require.Contains(t, a.Evidence, c.evidence, c.name)
	}

	a := conclude(6881, every(false, leg{err: errors.New("no right")}, leg{err: errors.New("no right")}, lost, entry))
	require.Equal(t, Yes, a.Active)
	require.False(t, a.Exempt)
	require.Len(t, a.open, 1, "that nothing of the port was seen to be tracked does not say that it is not")
}

func TestConcludeByCount(t *testing.T) {
	for _, c := range []struct {
		steps, rests []int64
		refused      int
		dropped      uint64
		want         string
	}{
		{[]int64{8, 8, 8}, []int64{0, 0, 0}, 0, 0, Yes},
		{[]int64{8, 11, 9}, []int64{1, -2, 0}, 0, 0, Yes},
		{[]int64{0, 0, 0}, []int64{0, 0, 0}, 0, 0, No},
		{[]int64{8, 7, 8}, []int64{0, 0, 0}, 0, 0, Yes}, // one had the ports of a former flow
		{[]int64{8, 8, 8}, []int64{0, 9, 0}, 0, 0, CannotSay},
		{[]int64{8, 3, 8}, []int64{0, 0, 0}, 0, 0, CannotSay},
		{[]int64{0, 0, 0}, []int64{0, 1, 0}, 0, 0, CannotSay},
		{[]int64{0, 0, 0}, []int64{0, 0, 0}, 24, 30, Yes},
		{[]int64{0, 0, 0}, []int64{0, 0, 0}, 24, 0, CannotSay}, // a rule refuses
	} {
		require.Equal(t, c.want, concludeByCount(c.steps, c.rests, c.refused, c.dropped).Active, "%+v", c)
	}
}

func TestWeigh(t *testing.T) {
	asks := Rule{Family: "inet", Table: "filter", Chain: "input", Handle: 4, Effect: AsksForTracking, What: "ct state"}
	onWire := Rule{Family: "inet", Table: "raw", Chain: "in", Handle: 2, Effect: Exempts, What: "notrack", Interface: true}
	forPort := Rule{Family: "inet", Table: "raw", Chain: "in", Handle: 3, Effect: Exempts, What: "notrack", wayIn: true}

	a, unchecked := weigh(Activity{Active: Yes}, []Rule{forPort, asks, asks})
	require.Equal(t, "inet filter input handle 4: ct state", a.Rule)
	require.Len(t, a.Rules, 2)
	require.False(t, a.Exempt, "a rule alone proves nothing")
	require.Empty(t, unchecked)

	a, unchecked = weigh(Activity{Active: No, Evidence: "nothing was seen"}, []Rule{asks})
	require.Equal(t, Yes, a.Active, "what asks has woken tracking")
	require.Contains(t, a.Evidence, "although nothing was seen")
	require.Len(t, unchecked, 1)

	_, unchecked = weigh(Activity{Active: Yes}, []Rule{asks, onWire})
	require.Len(t, unchecked, 1, "the probe did not pass the wire")
	a, unchecked = weigh(Activity{Active: Yes, Exempt: true}, []Rule{asks, onWire})
	require.False(t, a.Exempt, "over lo only")
	require.Len(t, unchecked, 1)
	forPortOut := Rule{Family: "inet", Effect: Exempts, wayOut: true}
	byAddress, ofOthers := Rule{Family: "ip", Effect: Exempts, Address: true}, Rule{Family: "inet", Effect: Exempts, Interface: true, others: true}
	for _, c := range []struct {
		rules  []Rule
		exempt bool
	}{
		{[]Rule{byAddress}, false},
		{[]Rule{byAddress, forPort}, false},
		{[]Rule{byAddress, forPort, forPortOut}, true},
		{[]Rule{onWire, Rule{Family: "ip", Effect: Exempts, wayIn: true}, Rule{Family: "ip", Effect: Exempts, wayOut: true}}, false},
		{[]Rule{ofOthers}, true},
	} {
		a, unchecked = weigh(Activity{Active: Yes, Exempt: true}, append(c.rules, asks))
		require.Equal(t, c.exempt, a.Exempt, "%v", c.rules)
		require.Equal(t, c.exempt, len(unchecked) == 0, "%q", unchecked)
	}

	lost4, lostBoth := Activity{Active: Yes, unseen: []string{"ip"}}, Activity{Active: Yes, unseen: []string{"ip", "ip6"}}
	for _, c := range []struct {
		a      Activity
		rule   Rule
		exempt bool
	}{
		{lost4, forPort, true}, // the way out is free, and a rule speaks for the way in
		{lostBoth, forPort, true},
		{lost4, onWire, false},
		{lost4, Rule{Family: "ip", Effect: Exempts, wayIn: true}, true},
		{lostBoth, Rule{Family: "ip", Effect: Exempts, wayIn: true}, false},
		{lost4, Rule{Family: "ip6", Effect: Exempts, wayIn: true}, false},
		{lost4, Rule{Family: "inet", Effect: Exempts, wayIn: false}, false}, // of another port, or on the way out
	} {
		a, unchecked := weigh(c.a, []Rule{asks, c.rule})
		require.Equal(t, c.exempt, a.Exempt, "%v, %v", c.a.unseen, c.rule)
		require.Equal(t, c.exempt, len(unchecked) == 0, "%q", unchecked)
	}

	_, unchecked = weigh(Activity{Active: Yes, open: []string{"exempt: a reason"}}, nil)
	require.Equal(t, []string{"exempt: a reason"}, unchecked)
}
