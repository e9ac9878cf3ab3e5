package peers

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"supernode/bench/record"
	"supernode/bench/report"
)

// made is a trial of a second in which so many queries were answered, for so much CPU time, with replies of so many nodes.
func made(server string, m Measure, block int, answered uint64, serverNS int64, nodes, wrong int) Trial {
	raw := fmt.Sprintf(`{"sent":%d,"answered":%d,"lost":10,"send_qps":%d,"offered_qps":%d,"latency_us":{"p50":100,"p99":%d,"p99_9":%d},
		"replies":{"get_peers":{"bytes_p50":300,"nodes_p50":%d,"peers_p50":1,"wrong":%d}}}`,
		answered+10, answered, 2*answered, 2*answered, serverNS/1e6, serverNS/1e5, nodes, wrong)
	t := Trial{Server: server, Measure: m, Block: block, Trial: record.Trial{
		Duration: 1e9, Answered: answered, Server: serverNS, ServerNAPI: 1e8,
		CPU: []record.CPU{{Idle: 1e9}},
	}}
	if err := json.Unmarshal([]byte(raw), &t.Load); err != nil {
		panic(err)
	}
	return t
}

func stolen(t Trial) Trial {
	t.CPU = []record.CPU{{Idle: 8e8, Steal: 2e8}}
	t.Answered *= 3
	return t
}

// sample is a run of the subject, a server a tenth as fast, one that knows not all, a tracker, and one that is lost.
func sample() Run {
	spec := Full()
	spec.Methods = []Measure{Ping, GetPeers, Mix}
	servers := []Server{{Name: Subject}, {Name: "slow", Note: "a slow one"}, {Name: "dumb"}, {Name: "tracker", Payload: BEP15}, {Name: "lost"}}
	nodes, hashes, limited := uint64(900_000), uint64(1_000_000), uint64(7)
	run := Run{
		Header: Header{
			Started: time.Unix(1_700_000_000, 0), Command: []string{"bench", "peers"}, Spec: spec, Servers: servers,
			Missing: []string{"absent"}, Trials: 8 * (4*5 + 1), Notes: []string{"a note"},
		},
		States: []State{
			{Server: Subject, When: Filled, RSS: 100 << 20, Nodes: &nodes, Infohashes: &hashes, Announced: &hashes},
			{Server: Subject, When: End, RSS: 200 << 20, Limited: &limited},
			{Server: "lost", When: Lost, Problem: "it has ended"},
		},
	}
	for block := range 8 {
		base := uint64(20_000 + 100*block)
		for _, m := range []Measure{Ping, GetPeers, Mix, Latency, Recovery} {
			run.Trials = append(run.Trials, made("slow", m, block, base, 9e8, 8, 0), made(Subject, m, block, 10*base, 9e8, 8, 0))
		}
		run.Trials = append(run.Trials, made("slow", Overload, block, base/2, 9e8, 8, 0), made(Subject, Overload, block, 9*base, 9e8, 8, 0),
			made("tracker", Ping, block, 5*base, 9e8, 0, 0), made("dumb", GetPeers, block, base, 9e8, 2, int(base)/100),
			Trial{Server: "dumb", Measure: Ping, Block: block, Problem: "answers nothing"}, made("dumb", Mix, block, 0, 9e8, 0, 0))
	}
	first := stolen(run.Trials[0]) // made again: the second counts
	run.Trials = append([]Trial{first}, run.Trials...)
	return run
}

func rowOf(t *testing.T, s Summary, m Measure, server string) Row {
	t.Helper()
	for _, table := range s.Methods {
		for _, r := range table.Rows {
			if table.Method == m && r.Server == server {
				return r
			}
		}
	}
	require.Fail(t, "no row", "%s of %s", m, server)
	return Row{}
}

func TestSummarize(t *testing.T) {
	s := Summarize(sample())
	slow := rowOf(t, s, Ping, "slow")
	require.InDelta(t, 10, slow.Speed.Median, 1e-9)
	require.Equal(t, 8, slow.Speed.N, "pairs are of the same block, and of one trial each")
	require.InDelta(t, 10, slow.Speed.Hi, 1e-9, "the trial that was stolen from does not count")
	require.InDelta(t, 10, slow.Frugal.Median, 1e-9)
	require.InDelta(t, 1, slow.Busy.Median, 1e-9)
	require.Empty(t, slow.Marks)
	require.Zero(t, rowOf(t, s, Ping, Subject).Speed.N, "not with itself")
	require.InDelta(t, 2, rowOf(t, s, Ping, "tracker").Speed.Median, 1e-9)

	require.Equal(t, []string{"1.0 % wrong", "answers less: 2 nodes of 8"}, rowOf(t, s, GetPeers, "dumb").Marks)
	require.Equal(t, 300.0, *rowOf(t, s, GetPeers, "dumb").Bytes)
	require.Equal(t, []string{"answers nothing (8 of 8 trials)"}, rowOf(t, s, Ping, "dumb").Marks)
	require.Equal(t, []string{"answers nothing (8 of 8 trials)"}, rowOf(t, s, Mix, "dumb").Marks)
	require.Zero(t, rowOf(t, s, Mix, "dumb").AnswersPerS.N)

	require.Len(t, s.Latency, 2)
	require.Equal(t, "slow", s.Latency[1].Server)
	require.Equal(t, 900.0, s.Latency[1].P99.Median)
	require.InDelta(t, 1, s.Latency[1].P999Ratio.Median, 1e-9)
	require.Zero(t, s.Latency[0].P999Ratio.N)
	require.InDelta(t, 0.9, s.Overload[0].Answers.Median, 1e-9)
	require.InDelta(t, 0.5, s.Overload[1].Answers.Median, 1e-3)
	require.InDelta(t, 1.8, s.Overload[0].Sent.Median, 1e-9)
	require.InDelta(t, 1, s.Overload[0].Recovery.Median, 1e-3)

	require.Equal(t, Count{Planned: 168, Recorded: 8 * 16, Counted: 8 * 14, Failed: 8 * 2, Attempts: 8*16 + 1, Repeats: 1,
		Excluded: map[string]int{"the host took CPU time away (steal)": 1}}, s.Trials)
	require.Equal(t, []string{
		"a note", "112 of 168 trials count; without answers: 16; not made: 40; made again: 1; " +
			"of 129 attempts left out, as the host took CPU time away (steal): 1",
		"absent is not installed (make install-peers, make bench-peers)",
		"supernode had 900,000 nodes in its table when it was measured, not 1,000,000",
		"the rate limiter of supernode dropped 7 queries: give more --flows",
		"lost: it has ended",
	}, s.Notes)
}

// Where the generator set the pace, figures are limits, and say so in every table.
func TestGeneratorLimits(t *testing.T) {
	limited := func(servers ...string) (s Summary, page, table string) {
		run := sample()
		for i, trial := range run.Trials {
			run.Trials[i].Load.GeneratorLimited = slices.Contains(servers, trial.Server) && trial.Block < 3
		}
		s = Summarize(run)
		var text, lines bytes.Buffer
		require.NoError(t, s.Markdown(&text))
		require.NoError(t, s.Table(&lines))
		return s, text.String(), lines.String()
	}
	for _, c := range []struct {
		servers []string
		shown   string
	}{
		{nil, "| slow | 20,350 [20,050, 20,650] | 10.00 ["},
		{[]string{"slow"}, "| slow | ≥ 20,350 [20,050, 20,650] | ≤ 10.00 ["},
		{[]string{Subject}, "| slow | 20,350 [20,050, 20,650] | ≥ 10.00 ["},
		{[]string{"slow", Subject}, "| slow | ≥ 20,350 [20,050, 20,650] | ? 10.00 ["},
	} {
		s, page, table := limited(c.servers...)
		require.Contains(t, page, c.shown)
		latency, overload := s.Latency[1], s.Overload[1]
		if !slices.Contains(c.servers, "slow") {
			require.Empty(t, latency.Marks)
			require.Empty(t, overload.Marks)
			continue
		}
		require.Equal(t, []string{"generator's limit in 3 of 8 trials of latency"}, latency.Marks)
		require.Equal(t, []string{"generator's limit in 3 of 8 trials of mix", "generator's limit in 3 of 8 trials of overload",
			"generator's limit in 3 of 8 trials of recovery"}, overload.Marks)
		for _, text := range []string{page, table} {
			require.Contains(t, text, latency.Marks[0])
			require.Contains(t, text, strings.Join(overload.Marks, "; "))
		}
	}
}

// Of fewer than five pairs there is no interval of 95 %, and none is shown.
func TestFewPairs(t *testing.T) {
	for blocks, shown := range map[int]string{4: "| slow | 20,150 | 10.00 |", 5: "| slow | 20,200 [20,000, 20,400] | 10.00 [10.00, 10.00] |"} {
		run := sample()
		run.Trials = slices.DeleteFunc(run.Trials, func(trial Trial) bool { return trial.Block >= blocks })
		var page bytes.Buffer
		require.NoError(t, Summarize(run).Markdown(&page))
		require.Contains(t, page.String(), shown)
	}
}

// Replies of another size than the subject's are marked, of servers without tables, too.
func TestReplySizes(t *testing.T) {
	sized := func(server string, size int) Trial {
		trial := made(server, Mix, 0, 1000, 1e8, 8, 0)
		trial.Load.Raw = fmt.Appendf(nil, `{"replies":{"get_peers":{"bytes_p50":%d,"nodes_p50":8}}}`, size)
		return trial
	}
	run := Run{Header: Header{Spec: Spec{Methods: []Measure{Mix}}, Servers: []Server{{Name: Subject}}}}
	run.Trials = append(run.Trials, sized(Subject, 400))
	for name, size := range map[string]int{"null": 324, "same": 400, "near": 381, "far": 379, "long": 440} {
		run.Header.Servers = append(run.Header.Servers, Server{Name: name, Hollow: name == "null"})
		run.Trials = append(run.Trials, sized(name, size))
	}
	s := Summarize(run)
	for name, marks := range map[string][]string{Subject: nil, "null": {"replies 19 % smaller"}, "same": nil, "near": nil,
		"far": {"replies 5 % smaller"}, "long": {"replies 10 % larger"}} {
		require.Equal(t, marks, rowOf(t, s, Mix, name).Marks, name)
	}
}

// The trials are accounted for to the last one, whatever became of them.
func TestCount(t *testing.T) {
	run := Run{Header: Header{Trials: 5}}
	charged := made("a", Ping, 0, 100, 1e8, 8, 0)
	charged.ServerNAPI = 0
	silent := Trial{Server: "a", Measure: Ping, Block: 2, Problem: "answers nothing"}
	run.Trials = []Trial{stolen(charged), charged, stolen(made("a", Ping, 1, 100, 1e8, 8, 0)), made("a", Ping, 1, 100, 1e8, 8, 0), silent,
		made("a", Recovery, 3, 100, 1e8, 8, 0)}
	count := Summarize(run).Trials
	require.Equal(t, Count{Planned: 5, Recorded: 4, Counted: 2, Failed: 1, Attempts: 6, Repeats: 2, Excluded: map[string]int{
		"the host took CPU time away (steal)": 2, "the receive thread of the server's interface did no work, so receive work was charged elsewhere": 1,
	}}, count)
	require.Equal(t, count.Planned, count.Counted+count.Failed+1+1, "one could not count, one was not made")
	require.Contains(t, count.String(), "2 of 5 trials count; without answers: 1; left out in each attempt: 1; not made: 1; made again: 2; ")

	require.True(t, Unsettled(run.Trials[0]))
	require.False(t, Unsettled(run.Trials[3]))
	require.False(t, Unsettled(silent), "that it does not answer is a result")
	require.Equal(t, []Measure{Overload, Recovery}, Slot{Measure: Overload}.Measures(), "either is made again if the other was stolen from")
}

// What other programs take of the lab's cores is said, whichever core it is; what belongs to the lab is not.
func TestCompany(t *testing.T) {
	run := Run{Header: Header{Machine: record.Machine{ServerCPU: 2, ClientCPU: 3}}}
	for _, c := range []struct{ server, client int64 }{{0, 0}, {4e7, 4e7}, {2e8, 0}, {0, 4e8}} {
		run.Trials = append(run.Trials, Trial{Trial: record.Trial{
			Server: 3e8, ServerNAPI: 1e8, Client: 4e8, ClientNAPI: 2e8,
			CPU: []record.CPU{{ID: 2, System: 4e8 + c.server, Idle: 6e8 - c.server}, {ID: 3, User: 6e8 + c.client, Idle: 4e8 - c.client}},
		}})
	}
	run.Trials = append(run.Trials, Trial{Problem: "answers nothing"})
	require.Contains(t, Summarize(run).Notes,
		"the machine was busy: in 2 of 4 trials something else took more than 5 % of one of the lab's cores, in the median of these 30 %")
	run.Trials = run.Trials[:2]
	require.NotContains(t, strings.Join(Summarize(run).Notes, "\n"), "busy")
}

// A run without the subject, or without any trial, is still a report.
func TestSummarizeLittle(t *testing.T) {
	run := sample()
	run.Header.Servers = run.Header.Servers[1:]
	s := Summarize(run)
	require.Positive(t, rowOf(t, s, Ping, "slow").AnswersPerS.N)
	run.Trials, run.States = nil, nil
	for _, s := range []Summary{s, Summarize(run)} {
		var out bytes.Buffer
		require.NoError(t, s.Table(&out))
		require.NoError(t, s.Markdown(&out))
		require.NotContains(t, out.String(), "NaN")
	}
}

func TestReport(t *testing.T) {
	dir := t.TempDir()
	var file bytes.Buffer
	run := sample()
	w, err := NewWriter(&file, run.Header)
	require.NoError(t, err)
	for _, state := range run.States {
		require.NoError(t, w.State(state))
	}
	for _, trial := range run.Trials {
		require.NoError(t, w.Trial(trial))
	}
	require.Equal(t, len(run.Trials), w.Trials)
	require.NoError(t, os.WriteFile(filepath.Join(dir, FileName), file.Bytes(), 0o644))

	s, err := Write(dir)
	require.NoError(t, err)
	want := Summarize(run)
	want.Started = s.Started // of another time zone
	require.Equal(t, want, s, "nothing is lost on the way")
	page, err := os.ReadFile(filepath.Join(dir, report.ReportFile))
	require.NoError(t, err)
	for _, text := range []string{
		"## ping, or what stands for it in another protocol\n",
		"| slow | 20,350 [20,050, 20,650] | 10.00 [10.00, 10.00] | 49,140 [48,426, 49,876] | 10.00 [10.00, 10.00] | 100.0 % | <0.1 % | – | – | – |  |\n",
		"| dumb | – | – | – | – | – | 0.0 % | – | – | – | answers nothing (8 of 8 trials) |\n",
		"| supernode | 400,000 | 100 [100, 100] | 900 [900, 900] |",
		"| supernode | 360,000 | 180.0 % [180.0 %, 180.0 %] | 90.0 % [90.0 %, 90.0 %] | 100.0 % [100.0 %, 100.0 %] |  |\n",
		"| supernode | 100 | 200 | 900,000 | 1,000,000 | 1,000,000 |\n",
		"- **slow**: a slow one.",
		"- lost: it has ended\n",
	} {
		require.Contains(t, string(page), text)
	}
	text, err := os.ReadFile(filepath.Join(dir, report.SummaryFile))
	require.NoError(t, err)
	require.True(t, json.Valid(text))
	var table bytes.Buffer
	require.NoError(t, s.Table(&table))
	require.Contains(t, table.String(), "10.00 [10.00, 10.00]")
	require.Contains(t, table.String(), "note: lost: it has ended\n")
}

func TestRead(t *testing.T) {
	var file bytes.Buffer
	run := sample()
	w, err := NewWriter(&file, run.Header)
	require.NoError(t, err)
	header := file.String()
	require.NoError(t, w.Trial(run.Trials[0]))
	trial := file.String()[len(header):]

	got, err := Read(bytes.NewBufferString(header + trial + trial[:len(trial)/2]))
	require.NoError(t, err)
	require.Len(t, got.Trials, 1)
	require.Equal(t, []string{"line 3 of the records is cut short: the run was stopped while it was written"}, got.Warnings)
	got, err = Read(bytes.NewBufferString(header + trial[:len(trial)-1]))
	require.NoError(t, err)
	require.Len(t, got.Trials, 1, "nothing but the end of the line is missing")

	for _, c := range []struct{ text, says string }{
		{"", "the file is empty"},
		{trial, "line 1: record \"trial\" where it does not belong"},
		{header + header, "line 2: record \"header\" where it does not belong"},
		{header + "nonsense\n", "line 2: not a record"},
		{header + `{"record":"poem"}` + "\n", `line 2: unknown record "poem"`},
		{`{"record":"header","version":2}` + "\n", "line 1: format version 2, this program reads version 1"},
	} {
		_, err := Read(bytes.NewBufferString(c.text))
		require.ErrorContains(t, err, c.says)
	}
	_, err = ReadDir(t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
}
