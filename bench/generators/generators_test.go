package generators

import (
	"bytes"
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
	"supernode/bench/stat"
)

const dnsperfOutput = `DNS Performance Testing Tool
Version 2.10.0

[Status] Testing complete (time limit)

Statistics:

  Queries sent:         268367
  Queries completed:    268304 (99.98%)
  Queries lost:         63 (0.02%)

  Response codes:       NOERROR 268304 (100.00%)
  Average packet size:  request 29, response 29
  Run time (s):         2.023567
  Queries per second:   132589.630094
`

func TestParse(t *testing.T) {
	c, err := Parse(Dnsperf, dnsperfOutput)
	require.NoError(t, err)
	require.Equal(t, Counts{268367, 268304, 2.023567}, c)
	c, err = Parse(Packet, `{"sent":100,"answered":90,"interval_ns":500000000,"send_errors":{"no_buffer":3,"other":1},"more":1}`)
	require.NoError(t, err)
	require.Equal(t, Counts{96, 90, 0.5}, c, "what was refused was not sent")
	for said, want := range map[string]string{
		"":                  "no statistics",
		dnsperfOutput[:300]: "no statistics",
		strings.ReplaceAll(dnsperfOutput, "2.023567", "0.000000"): "run time of 0.000000 s",
	} {
		_, err := Parse(Dnsperf, said)
		require.ErrorContains(t, err, want)
	}
	for said, want := range map[string]string{
		"":           "read loadgen's result",
		`{"sent":1}`: "an interval of 0 ns",
		`{"sent":1,"interval_ns":1,"send_errors":{"other":2}}`: "1 queries sent, and 2 of them refused",
	} {
		_, err := Parse(Mmsg, said)
		require.ErrorContains(t, err, want)
	}
}

// Every block asks each generator everything once, dnsperf but what it cannot do; what is compared is next to each other.
func TestSlots(t *testing.T) {
	spec := Full()
	spec.Seed = 3
	slots := spec.Slots()
	const perBlock = 17
	require.Len(t, slots, spec.Blocks*perBlock)
	orders := map[string]bool{}
	for block := range spec.Blocks {
		own := slots[block*perBlock:][:perBlock]
		require.True(t, own[0].First)
		seen := map[string]bool{}
		order := ""
		changes := 0
		for i, s := range own {
			require.Equal(t, block, s.Block)
			require.Equal(t, i == 0, s.First)
			require.False(t, s.Generator == Dnsperf && s.Measure == Sends)
			seen[s.Generator+string(s.Measure)] = true
			order += s.Generator + " "
			if i > 0 && s.Measure != own[i-1].Measure {
				changes++
			}
		}
		require.Len(t, seen, perBlock)
		require.Equal(t, 2, changes)
		orders[order] = true
	}
	require.Greater(t, len(orders), 1, "at random")
	require.Equal(t, slots, spec.Slots(), "by the seed")
}

func TestParseNames(t *testing.T) {
	names, err := ParseNames("dnsperf, packet")
	require.NoError(t, err)
	require.Equal(t, []string{Packet, Mmsg, Control, Dnsperf}, names)
	_, err = ParseNames("packet,")
	require.ErrorContains(t, err, `unknown generator ""`)
}

func TestArgs(t *testing.T) {
	spec := Quick()
	spec.Seed = 40
	aim := Aim{Address: "10.18.0.1", Port: "53", Sources: "198.18.0.0/15", Input: "queries"}
	args := func(generator string, m Measure) string {
		return strings.Join(spec.Args(Slot{Block: 2, Generator: generator, Measure: m}, aim), " ")
	}
	require.Equal(t, "-s 10.18.0.1 -p 53 -d queries -l 0.25 -q 128 -c 1 -T 1 -t 1", args(Dnsperf, Answers))
	require.Equal(t, "--io packet --quiet --json - --payload dns:example.org --flows 60000 --sources 198.18.0.0/15 --warmup 0s "+
		"--duration 250ms --seed 42 --rate max --window 128 --timeout 100ms 10.18.0.1:53", args(Packet, Answers))
	require.Equal(t, args(Mmsg, Sends), args(Control, Sends))
	require.Equal(t, args(Mmsg, Sends), args(Mmsg, Loads))
	require.Equal(t, args(Dnsperf, Answers), args(Dnsperf, Loads), "the most it can do")
	require.Contains(t, args(Mmsg, Sends), "--rate 8000000 --timeout 5ms")
	require.Contains(t, args(Net, Sends), "--io net ")
	require.Contains(t, args(Net, Sends), "--flows 16 ")
	require.Less(t, floodRate*floodTimeout.Seconds(), 65536.0, "the numbers that DNS has")
}

// made is a run in which packet takes 2 µs of its core for an answer, mmsg 3, and dnsperf 5, and for each they send half of it.
func made(t *testing.T) (Header, []Trial) {
	spec := Full()
	spec.Blocks, spec.Names = 8, []string{Packet, Mmsg, Control, Dnsperf}
	h := Header{Version: Version, Started: time.Unix(0, 0).UTC(), Command: []string{"bench", "generators"}, Spec: spec}
	var trials []Trial
	for i, s := range spec.Slots() {
		cost := map[string]int64{Packet: 2000, Mmsg: 3000, Control: 3000, Dnsperf: 5000}[s.Generator]
		const n = 100_000
		trial := Trial{
			Generator: s.Generator, Measure: s.Measure, Block: s.Block, Counts: Counts{Sent: n, Answered: n, Interval: 1},
			GeneratorNS: n * cost * 3 / 4, GeneratorNAPI: n * cost / 4, Server: n * 1500, ServerNAPI: n * 1000,
			CPU: []record.CPU{{User: int64(1e9 + i)}, {User: 1e9}},
		}
		if s.Measure == Loads {
			trial.Answered /= 2
		}
		if s.Measure == Sends {
			trial.Answered, trial.GeneratorNS, trial.GeneratorNAPI, trial.RingLosses = 0, n*cost/2, 0, n/10
		}
		trials = append(trials, trial)
	}
	return h, trials
}

func written(t *testing.T, h Header, trials []Trial) []byte {
	var b bytes.Buffer
	w, err := NewWriter(&b, h)
	require.NoError(t, err)
	for _, trial := range trials {
		require.NoError(t, w.Trial(trial))
	}
	require.Equal(t, len(trials), w.Trials)
	return b.Bytes()
}

func TestRecords(t *testing.T) {
	h, trials := made(t)
	text := written(t, h, trials)
	run, err := Read(bytes.NewReader(text))
	require.NoError(t, err)
	require.Equal(t, Run{Header: h, Trials: trials}, run)

	run, err = Read(bytes.NewReader(text[:len(text)-5]))
	require.NoError(t, err)
	require.True(t, run.Cut)
	require.Len(t, run.Trials, len(trials)-1)
	run, err = Read(bytes.NewReader(text[:len(text)-1]))
	require.NoError(t, err)
	require.False(t, run.Cut, "only the newline is missing")
	require.Len(t, run.Trials, len(trials))

	lines := slices.Collect(bytes.Lines(text))
	for _, c := range []struct {
		text []byte
		want string
	}{
		{nil, "the file is empty"},
		{lines[1], "the first line, and no other, is the header"},
		{slices.Concat(lines[0], lines[0]), "the first line, and no other, is the header"},
		{slices.Concat(lines[0], []byte("{}\n")), "line 2"},
		{slices.Concat(lines[0], []byte("what\n")), "line 2"},
		{bytes.Replace(text, []byte(`"version":1`), []byte(`"version":9`), 1), "format version 9, this program reads version 1"},
	} {
		_, err := Read(bytes.NewReader(c.text))
		require.ErrorContains(t, err, c.want)
	}
}

// synced counts how often it was told to reach the disk, as a file is.
type synced struct {
	bytes.Buffer
	times int
}

func (s *synced) Sync() error {
	s.times++
	return nil
}

// TestRecordsAreSynced: a trial is not done before its record is on disk.
func TestRecordsAreSynced(t *testing.T) {
	var out synced
	w, err := NewWriter(&out, Header{})
	require.NoError(t, err)
	require.Equal(t, 1, out.times)
	require.NoError(t, w.Trial(Trial{}))
	require.Equal(t, 2, out.times)
}

func TestSummarize(t *testing.T) {
	h, trials := made(t)
	s := Summarize(Run{Header: h, Trials: trials})
	row := func(generator string, m Measure) Row {
		i := slices.IndexFunc(s.Rows, func(r Row) bool { return r.Generator == generator && r.Measure == m })
		require.GreaterOrEqual(t, i, 0)
		return s.Rows[i]
	}
	packet := row(Packet, Answers)
	require.InDelta(t, 2000, packet.NS.Median, 1e-6)
	require.InDelta(t, 1500, packet.Own.Median, 1e-6)
	require.InDelta(t, 500_000, packet.PerCoreS.Median, 1e-3)
	require.InDelta(t, 100_000, packet.PerS.Median, 1e-6)
	require.InDelta(t, 0.2, packet.Core.Median, 1e-9)
	require.InDelta(t, 0.25, packet.Server.Median, 1e-9)
	require.InDelta(t, 1.5, packet.OverMmsg.Median, 1e-9)
	require.InDelta(t, 2.5, packet.OverDnsperf.Median, 1e-9)
	require.Equal(t, 8, packet.Limited, "its server was busier than it was")
	require.Zero(t, row(Dnsperf, Answers).Limited)
	require.Zero(t, row(Mmsg, Answers).OverMmsg.N)
	require.Zero(t, row(Dnsperf, Answers).OverDnsperf.N)
	require.InDelta(t, 1000/0.9, row(Packet, Sends).NS.Median, 1e-6, "what the link threw away is no work done")
	require.InDelta(t, 0.1, row(Packet, Sends).Dropped.Median, 1e-9)
	require.InDelta(t, 90_000, row(Packet, Sends).PerS.Median, 1e-6)
	require.InDelta(t, 100_000, row(Packet, Sends).Sent.Median, 1e-6)
	require.InDelta(t, 1e6, row(Packet, Sends).SentCoreS.Median, 1e-6)
	require.Zero(t, row(Packet, Sends).OverDnsperf.N, "dnsperf does not send more than is answered")
	require.Positive(t, row(Dnsperf, Loads).PerCoreS.N)
	require.Zero(t, row(Packet, Loads).OverDnsperf.N, "an open loop and a closed one are not alike")
	require.InDelta(t, 4.5, row(Packet, Sends).OverClosed.Median, 1e-9, "of what loaded the server, beside the answers of dnsperf")
	require.Positive(t, row(Packet, Loads).OverClosed.N)
	require.Zero(t, packet.OverClosed.N, "that is OverDnsperf")
	require.Zero(t, row(Dnsperf, Loads).OverClosed.N)
	require.Equal(t, report.Conclusive, s.Verdict)
	require.Empty(t, s.Reasons)
	const same = " [1.50, 1.50] times what --io mmsg does"
	require.Equal(t, "In a second of its core, loadgen --io packet gets answered 1.50"+same+" and 2.50 [2.50, 2.50] times what dnsperf does; "+
		"it loads a server that answers with 1.50"+same+"; it loads a silent server with 1.50"+same+".", s.Headline())
	require.Len(t, s.Notes, 1)
	require.Contains(t, s.Notes[0], "packet: in 8 of 8 trials the server's core was busier")
}

// Each way past the kernel's stack is compared for itself.
func TestTwoChallengers(t *testing.T) {
	h, trials := made(t)
	h.Spec.Names = append([]string{XDP}, h.Spec.Names...)
	for _, other := range trials {
		if other.Generator == Packet {
			other.Generator, other.GeneratorNS = XDP, other.GeneratorNS/2
			trials = append(trials, other)
		}
	}
	s := Summarize(Run{Header: h, Trials: trials})
	require.Equal(t, report.Conclusive, s.Verdict, s.Reasons)
	require.Contains(t, s.Headline(), "In a second of its core, loadgen --io xdp gets answered 2.40 [2.40, 2.40] times what --io mmsg does and 4.00 [4.00, 4.00] times what dnsperf does; ")
	require.Contains(t, s.Headline(), ". In a second of its core, loadgen --io packet gets answered 1.50 [1.50, 1.50] times what --io mmsg does and 2.50 ")
	require.Len(t, s.Compared, 8, "with mmsg in three measures, with dnsperf in one")
}

// What must not count does not, and the report says so.
func TestNotes(t *testing.T) {
	h, trials := made(t)
	h.Missing, h.Notes = []string{"other"}, []string{"from the lab"}
	for i := range trials {
		switch {
		case trials[i].Generator == Control: // the harness makes a difference where there is none
			trials[i].GeneratorNS *= 2
		case trials[i].Block == 0 && trials[i].Generator == Packet:
			trials[i].Problem = "exit status 2"
			trials[i].Counts = Counts{}
		case trials[i].Block == 1 && trials[i].Generator == Dnsperf:
			trials[i].CPU[1].Steal = 1e9
		case trials[i].Block == 2 && trials[i].Generator == Dnsperf:
			trials[i].Answered = 0
		}
	}
	s := Summarize(Run{Header: h, Trials: trials[:len(trials)-1], Cut: true})
	notes := strings.Join(s.Notes, "\n")
	for _, want := range []string{
		"the last line of the records is cut short", fmt.Sprintf("%d of %d trials were made", len(trials)-1, len(trials)),
		"left out: 1 trial of packet, answers: exit status 2", "left out: 1 trial of dnsperf, answers: the host took CPU time away (steal)",
		"left out: 1 trial of dnsperf, answers: nothing was measured", "other is not installed", "from the lab",
	} {
		require.Contains(t, notes, want)
	}
	require.Equal(t, report.Inconclusive, s.Verdict)
	require.Len(t, s.Reasons, len(Measures()), "of each the control has failed")
	require.Contains(t, s.Reasons[0], "answers: the control differs")
	require.Empty(t, s.Headline())
	for _, row := range s.Rows {
		if row.Generator == Packet && row.Measure == Answers {
			require.Equal(t, 7, row.Counted)
			require.Equal(t, 5, row.OverDnsperf.N, "pairs")
		}
	}
}

// TestHeadline: only what may be quoted is, each measure and each comparison for itself, and the rest says why not.
func TestHeadline(t *testing.T) {
	const answers, loads, sends = "gets answered", "loads a server that answers", "loads a silent server"
	for name, c := range map[string]struct {
		spoil  func(*Trial)
		quoted []string
		reason string
	}{
		"control": {func(x *Trial) {
			if x.Generator == Control && x.Measure == Loads {
				x.GeneratorNS *= 2
			}
		}, []string{answers, "what dnsperf does", sends}, "loads: the control differs"},
		"too few pairs": {func(x *Trial) {
			if x.Generator == Dnsperf && x.Block > 3 {
				x.Measure = "none" // was not made
			}
		}, []string{answers, loads, sends}, "answers, loadgen --io packet against dnsperf: 4 pairs, at least 5 are needed"},
		"too many left out": {func(x *Trial) {
			if x.Generator == Packet && x.Measure == Sends && x.Block < 2 {
				x.Problem = "exit status 2"
			}
		}, []string{answers, "what dnsperf does", loads}, "sends, loadgen --io packet against loadgen --io mmsg: 2 of 16 trials of packet and mmsg were left out"},
		"control left out": {func(x *Trial) {
			if x.Generator == Control && x.Measure == Sends && x.Block < 2 {
				x.Problem = "exit status 2"
			}
		}, []string{answers, "what dnsperf does", loads}, "sends: 2 of 16 trials of mmsg and control were left out"},
	} {
		h, trials := made(t)
		for i := range trials {
			c.spoil(&trials[i])
		}
		s := Summarize(Run{Header: h, Trials: trials})
		require.Equal(t, report.Inconclusive, s.Verdict, name)
		require.Len(t, s.Reasons, 1, name)
		require.Contains(t, s.Reasons[0], c.reason, name)
		for _, words := range []string{answers, "what dnsperf does", loads, sends} {
			require.Equal(t, slices.Contains(c.quoted, words), strings.Contains(s.Headline(), words), "%s: %q in %q", name, words, s.Headline())
		}
		var page, table bytes.Buffer
		require.NoError(t, s.Markdown(&page))
		require.NoError(t, s.Table(&table))
		require.Contains(t, page.String(), "Inconclusive: "+c.reason, name)
		require.Contains(t, table.String(), "inconclusive: "+c.reason, name)
	}
	require.Equal(t, nothing, ratio(stat.Estimate{Median: 2, N: 4}), "no ratio without an interval")
}

// TestQualifiedFigures: losses of a closed loop, and what loadgen holds against its own results, are told with them.
func TestQualifiedFigures(t *testing.T) {
	h, trials := made(t)
	h.Spec.Window = 257
	for i := range trials {
		x := &trials[i]
		switch {
		case x.Generator == Packet:
			x.Said = `{"generator_limited":true,"generator_limited_by":["rate","drops"]}`
		case x.Generator == Dnsperf && x.Measure == Answers:
			x.Sent += 200
		case x.Generator == Mmsg && x.Measure == Answers:
			x.Sent += 99 // less than 0.1 %
		}
	}
	notes := strings.Join(Summarize(Run{Header: h, Trials: trials}).Notes, "\n")
	for _, want := range []string{
		"dnsperf: 0.20 % of its queries in answers were lost", "257 queries outstanding are more than the 256",
		"packet, answers: loadgen marks 8 of 8 trials as generator_limited by rate",
		"packet, sends: loadgen marks 8 of 8 trials as generator_limited by drops",
	} {
		require.Contains(t, notes, want)
	}
	require.NotContains(t, notes, "packet, sends: loadgen marks 8 of 8 trials as generator_limited by rate", "which it was asked for")
	require.NotContains(t, notes, "mmsg: 0.")
}

// TestEstimates: both runs keep to what the command's help says of them.
func TestEstimates(t *testing.T) {
	require.Less(t, Quick().Estimate(), 30*time.Second)
	require.Less(t, Full().Estimate(), 5*time.Minute)
	require.GreaterOrEqual(t, Quick().Blocks, rules.MinPairs)
}

// The report is written twice alike, and has all rows.
func TestWrite(t *testing.T) {
	h, trials := made(t)
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, FileName), written(t, h, trials), 0o644))
	s, err := Write(dir)
	require.NoError(t, err)
	page, err := os.ReadFile(filepath.Join(dir, report.ReportFile))
	require.NoError(t, err)
	var table bytes.Buffer
	require.NoError(t, s.Table(&table))
	for _, text := range []string{string(page), table.String()} {
		require.Contains(t, text, s.Headline())
		for _, name := range []string{"loadgen --io packet", "loadgen --io mmsg", "loadgen --io mmsg, again", "dnsperf"} {
			require.Contains(t, text, name)
		}
		require.Contains(t, text, "2,000 [2,000, 2,000]")
	}
	_, err = Write(dir)
	require.NoError(t, err)
	again, err := os.ReadFile(filepath.Join(dir, report.ReportFile))
	require.NoError(t, err)
	require.Equal(t, string(page), string(again))
	_, err = Write(t.TempDir())
	require.ErrorIs(t, err, os.ErrNotExist)
}
