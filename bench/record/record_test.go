package record

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"supernode/bench/plan"
)

func header() Header {
	return Header{
		Started:  time.Date(2025, 3, 1, 12, 0, 0, 0, time.UTC),
		Command:  []string{"bench", "conntrack", "--quick"},
		Versions: map[string]string{"bench": "v1"},
		Plan:     plan.Quick(),
		Machine:  Machine{Kernel: "6.18.0", CPUs: 2, ServerCPU: 0, ClientCPU: 1, NAPIPinned: true},
	}
}

func trials() *rapid.Generator[Trial] {
	return rapid.Custom(func(t *rapid.T) Trial {
		count := rapid.Uint64Max(1 << 53)
		ns := rapid.Int64Range(0, 1<<53)
		return Trial{
			Slot: plan.Slot{
				Block: rapid.IntRange(0, 20).Draw(t, "block"), Position: rapid.IntRange(0, 15).Draw(t, "position"),
				Cell: plan.Cell{
					Arm:     rapid.SampledFrom(plan.Arms()).Draw(t, "arm"),
					Flows:   rapid.SampledFrom(plan.Patterns()).Draw(t, "flows"),
					Measure: rapid.SampledFrom([]plan.Measure{plan.Fixed, plan.Max}).Draw(t, "measure"),
				},
			},
			Start:    time.Unix(0, ns.Draw(t, "start")).UTC(),
			Duration: ns.Draw(t, "duration"),
			Server:   ns.Draw(t, "server"), ServerNAPI: ns.Draw(t, "server napi"),
			Client: ns.Draw(t, "client"), ClientNAPI: ns.Draw(t, "client napi"),
			Answered: count.Draw(t, "answered"),
			Load:     Load{Raw: json.RawMessage(`{"target":"198.18.0.1:6881","something_new":[1,2]}`), Target: "198.18.0.1:6881"},
			Tracking: rapid.Bool().Draw(t, "tracking"),
			Conntrack: Conntrack{
				Entries: count.Draw(t, "entries"), Drop: count.Draw(t, "drop"),
				EarlyDrop: count.Draw(t, "early"), InsertFailed: count.Draw(t, "failed"),
			},
			ReceiveErrors: count.Draw(t, "receive errors"),
			CPU:           []CPU{{ID: 1, User: ns.Draw(t, "user"), Steal: ns.Draw(t, "steal")}},
			Warnings:      rapid.SliceOfN(rapid.String(), 1, 3).Draw(t, "warnings"),
		}
	})
}

// The parts that only some trials have are written and read like the rest, and are not there where they say nothing.
func TestPartsOfSomeTrials(t *testing.T) {
	plain := Trial{Slot: plan.Slot{Cell: plan.Cell{Arm: plan.Off, Flows: plan.Few, Measure: plan.Search}}}
	full := plain
	full.Search = &Search{
		Found: []Found{{LossRatio: 0.001, QPS: 1000, AtMost: 1020, Limited: true, Unfinished: true}},
		Steps: []Step{{OfferedQPS: 1000, DurationS: 0.1, Sent: 100, Answered: 99, LossRatio: 0.01, Limited: true, Disturbed: "steal"}},
	}
	full.Counters = &Counters{Server: Events{Cycles: 1, Instructions: 2, CacheMisses: 3}, ServerNAPI: Events{Cycles: 4}}
	full.Throttle = Throttle{Periods: 1, Thermal: 2, KHzBefore: 3, KHzAfter: 4}
	run, err := Read(bytes.NewReader(write(t, t.TempDir(), []Trial{plain, full})))
	require.NoError(t, err)
	full.Load.Raw, plain.Load.Raw = run.Trials[1].Load.Raw, run.Trials[0].Load.Raw
	require.Equal(t, []Trial{plain, full}, run.Trials)

	line, err := json.Marshal(plain)
	require.NoError(t, err)
	for _, part := range []string{"search\":{", "counters", "throttle"} {
		require.NotContains(t, string(line), part)
	}
}

// write makes a run's directory with the given trials and returns it with the file's contents.
func write(t require.TestingT, dir string, ts []Trial) []byte {
	w, err := Create(dir, header())
	require.NoError(t, err)
	for _, trial := range ts {
		require.NoError(t, w.Append(trial))
	}
	require.NoError(t, w.Close())
	raw, err := os.ReadFile(filepath.Join(dir, FileName))
	require.NoError(t, err)
	return raw
}

func TestWhatIsWrittenIsRead(t *testing.T) {
	root := t.TempDir()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp(root, "run")
		require.NoError(t, err)
		ts := rapid.SliceOfN(trials(), 1, 4).Draw(t, "trials")
		raw := write(t, dir, ts)
		require.Equal(t, 1+len(ts), bytes.Count(raw, []byte("\n")), "a line a record")

		run, err := ReadDir(dir)
		require.NoError(t, err)
		require.Equal(t, Run{Header: header(), Trials: ts}, run)
	})
}

// Wherever a run is killed, the trials that were written whole are read and nothing else is.
func TestTornAnywhere(t *testing.T) {
	sample := rapid.SliceOfN(trials(), 3, 3).Example(1)
	raw := write(t, filepath.Join(t.TempDir(), "new"), sample)
	headerEnd := bytes.IndexByte(raw, '\n')
	for cut := headerEnd + 1; cut <= len(raw); cut++ {
		run, err := Read(bytes.NewReader(raw[:cut]))
		require.NoError(t, err, "cut at %d", cut)
		whole := bytes.Count(raw[:cut], []byte("\n")) - 1
		atBoundary := raw[cut-1] == '\n'
		if !atBoundary && cut < len(raw) && raw[cut] == '\n' {
			whole++ // only the newline is missing
			atBoundary = true
		}
		require.Len(t, run.Trials, whole, "cut at %d", cut)
		if atBoundary {
			require.Empty(t, run.Warnings)
		} else {
			require.Len(t, run.Warnings, 1)
			require.Contains(t, run.Warnings[0], "cut short")
		}
	}
	_, err := Read(bytes.NewReader(raw[:headerEnd/2]))
	require.ErrorContains(t, err, "line 1", "without a header nothing can be said")
}

func TestZeroesAfterAPowerCut(t *testing.T) {
	raw := write(t, t.TempDir(), rapid.SliceOfN(trials(), 2, 2).Example(1))
	run, err := Read(bytes.NewReader(append(raw, make([]byte, 100)...)))
	require.NoError(t, err)
	require.Len(t, run.Trials, 2)
	require.Len(t, run.Warnings, 1)
}

func TestReadRefuses(t *testing.T) {
	const head = `{"record":"header","version":1}` + "\n"
	const trial = `{"record":"trial","arm":"off","flows":"few","measure":"fixed"}` + "\n"
	for _, c := range []struct{ name, in, says string }{
		{"empty", "", "the file is empty"},
		{"not JSON", "hello\n", "line 1: not a record"},
		{"no header", trial, `line 1: record "trial" where the header should be`},
		{"newer", `{"record":"header","version":2,"plan":"of another shape"}` + "\n", "format version 2, this program reads version 1"},
		{"no version", `{"record":"header"}` + "\n", "format version 0"},
		{"two headers", head + head, `line 2: record "header" where a trial should be`},
		{"broken in the middle", head + trial + `{"record":"tri` + "\n" + trial, "line 3: not a record"},
		{"nameless trial", head + `{"record":"trial","arm":"off"}` + "\n", "line 2: a trial without its arm"},
		{"wrong type", head + `{"record":"trial","arm":7}`, "line 2: decode trial"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := Read(strings.NewReader(c.in))
			require.ErrorContains(t, err, c.says)
		})
	}
	run, err := Read(strings.NewReader(head))
	require.NoError(t, err)
	require.Empty(t, run.Trials)
}

func TestCreateNeverOverwrites(t *testing.T) {
	dir := t.TempDir()
	before := write(t, dir, nil)
	_, err := Create(dir, header())
	require.ErrorIs(t, err, fs.ErrExist)
	require.ErrorContains(t, err, "choose another directory")
	after, err := os.ReadFile(filepath.Join(dir, FileName))
	require.NoError(t, err)
	require.Equal(t, before, after)
}

func TestReadDirNamesTheFile(t *testing.T) {
	dir := t.TempDir()
	_, err := ReadDir(dir)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.NoError(t, os.WriteFile(filepath.Join(dir, FileName), []byte("x\n"), 0o644))
	_, err = ReadDir(dir)
	require.ErrorContains(t, err, FileName)
}

// The generator's result must survive whole, in the words of its contract.
func TestLoadKeepsEverything(t *testing.T) {
	const line = `{"target":"198.18.0.1:6881","duration_s":1.5,"offered_qps":80000,"sent":120000,"answered":119990,
		"lost":10,"late":1,"duplicate":2,"malformed":3,"errors":{"203":4},"send_qps":80000,"answer_qps":79993.3,
		"loss_ratio":0.0000833,"latency_us":{"p50":40,"p90":60,"p99":90,"p99_9":150,"p99_99":300,"max":900,"mean":45},
		"flows":60000,"mix":{"ping":{"sent":12000,"answered":12000}},"schedule_slip_us":{"p99":5,"max":80},
		"generator_limited":true,"answers_in_interval":119995}`
	var l Load
	require.NoError(t, json.Unmarshal([]byte(line), &l))
	require.JSONEq(t, line, string(l.Raw))
	require.Equal(t, Latency{40, 60, 90, 150, 300, 900, 45}, l.Latency)
	require.Equal(t, Slip{5, 80}, l.Slip)
	require.EqualValues(t, 119990, l.Answered)
	require.True(t, l.GeneratorLimited)

	out, err := json.Marshal(Trial{Load: l})
	require.NoError(t, err)
	require.Contains(t, string(out), `"errors":{"203":4}`)
	require.NotContains(t, string(out), "\n", "a record is one line however the generator laid out its own")

	var plain Load
	out, err = json.Marshal(Load{Sent: 5})
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal(out, &plain))
	require.EqualValues(t, 5, plain.Sent)
	require.Error(t, json.Unmarshal([]byte(`{"sent":"many"}`), &plain))
}

func TestCPU(t *testing.T) {
	c := CPU{User: 1, System: 2, SoftIRQ: 4, IRQ: 8, Idle: 16, Steal: 32}
	require.EqualValues(t, 15, c.Busy())
	require.EqualValues(t, 63, c.Total())
}

// Records that are kept compressed are read as they were; a file that is not what its name says is an error.
func TestCompressed(t *testing.T) {
	dir := t.TempDir()
	_, err := ReadDir(dir)
	require.ErrorIs(t, err, fs.ErrNotExist)
	require.ErrorContains(t, err, FileName+": ", "the file that everybody expects")

	w, err := Create(dir, Header{Notes: []string{"kept"}})
	require.NoError(t, err)
	require.NoError(t, w.Append(Trial{Slot: plan.Slot{Cell: plan.Cell{Arm: plan.Off, Flows: plan.Few, Measure: plan.Max}}, Answered: 7}))
	require.NoError(t, w.Close())
	want, err := ReadDir(dir)
	require.NoError(t, err)

	plain, err := os.ReadFile(filepath.Join(dir, FileName))
	require.NoError(t, err)
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err = z.Write(plain)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.NoError(t, os.Remove(filepath.Join(dir, FileName)))
	require.NoError(t, os.WriteFile(filepath.Join(dir, FileName+".gz"), packed.Bytes(), 0o600))
	got, err := ReadDir(dir)
	require.NoError(t, err)
	require.Equal(t, want, got)

	require.NoError(t, os.WriteFile(filepath.Join(dir, FileName+".gz"), plain, 0o600))
	_, err = ReadDir(dir)
	require.ErrorContains(t, err, "unpack ")
	require.NoError(t, os.WriteFile(filepath.Join(dir, FileName+".gz"), packed.Bytes()[:packed.Len()-9], 0o600))
	_, err = ReadDir(dir)
	require.ErrorIs(t, err, io.ErrUnexpectedEOF)
}
