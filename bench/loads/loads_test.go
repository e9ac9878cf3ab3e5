package loads

import (
	"bytes"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/record"
)

func TestParse(t *testing.T) {
	steps, err := Parse("0,1000,max,0.5x,2x,max")
	require.NoError(t, err)
	require.Equal(t, []Step{{}, {Rate: 1000}, {Best: true}, {Times: 0.5}, {Times: 2}, {Best: true}}, steps)
	for i, text := range []string{"0", "1000", "max", "0.5x", "2x", "max"} {
		require.Equal(t, text, steps[i].String())
	}
	for i, offered := range []float64{0, 1000, 0, 50, 200, 0} {
		require.Equal(t, offered, steps[i].Offered(100))
	}
	for text, says := range map[string]string{
		"":         `"": must be max, queries a second`,
		"fast":     `"fast": must be`,
		"-1":       `"-1": must be`,
		"NaN":      `"NaN": must be`,
		"1e12":     `"1e12": must be`,
		"max,0x":   `"0x": must be`,
		"2x":       `"2x": it is a multiple of max, which must come before it`,
		"2x,max":   `"2x": it is a multiple`,
		"1000,,2x": `"": must be`,
	} {
		_, err := Parse(text)
		require.ErrorContains(t, err, says, text)
	}
}

// made is a trial of one second.
func made(server string, place, block int, answered uint64, p99 float64) Trial {
	return Trial{Server: server, Place: place, Block: block, Wakeups: 2 * answered, Trial: record.Trial{
		Duration: 1e9, Answered: answered, Server: 3e8, ServerNAPI: 1e8,
		Load: record.Load{SendQPS: 2 * float64(answered), Latency: record.Latency{P50: p99 / 2, P99: p99, P999: 2 * p99}},
	}}
}

func TestSummarize(t *testing.T) {
	steps, err := Parse("0,max,2x,2x")
	require.NoError(t, err)
	var trials []Trial
	for block := range 8 {
		best := uint64(1000 + 100*block)
		trials = append(trials,
			made("null", 0, block, 0, 0), made("null", 1, block, 2*best, 100), made("null", 2, block, best, 100),
			made("node", 0, block, 0, 0), made("node", 1, block, best, 150), made("node", 2, block, best*9/10, 400),
			made("stranger", 1, block, 1, 1))
	}
	lines := Summarize([]string{"null", "node"}, steps, trials)
	require.Len(t, lines, 6, "a step that was not reached, and a server that is not asked about, have no line")

	null, node := lines[2], lines[3]
	require.Equal(t, []string{"null", "max", "node", "max"}, []string{null.Server, null.Step, node.Server, node.Step})
	require.InDelta(t, 1, null.OfBest.Median, 1e-9)
	require.Zero(t, null.AnswersRatio.N, "the first is compared with nothing")
	require.InDelta(t, 0.5, node.AnswersRatio.Median, 1e-9)
	require.InDelta(t, 0.5, node.AnswersRatio.Hi, 1e-9, "in pairs within blocks, however these differ")
	require.InDelta(t, 50, node.AddedP99.Median, 1e-9)

	overload := lines[5]
	require.Equal(t, "2x", overload.Step)
	require.InDelta(t, 0.9, overload.OfBest.Median, 1e-9)
	require.InDelta(t, 4, overload.P999Ratio.Median, 1e-9)
	require.InDelta(t, 0.3, overload.Core.Median, 1e-9)
	require.InDelta(t, 0.4, overload.Side.Median, 1e-9)
	require.InDelta(t, 2*overload.Answers.Median, overload.Wakeups.Median, 1e-9)

	var out bytes.Buffer
	require.NoError(t, Table(&out, lines))
	require.Regexp(t, `(?m)^ +2x +node +2430 +1215 +0\.90 \[0\.90, 0\.90\] +30\.00 % +40\.00 % +2430 +200 +400 +800$`, out.String())
	require.Regexp(t, `(?m)^ +2x +node +0\.900× \[0\.900×, 0\.900×\] .* \+300 \[\+300, \+300\] +4\.00× \[4\.00×, 4\.00×\]$`, out.String())
}

// TestNoBest: multiples need no max in the summary of a run that was made without.
func TestNoBest(t *testing.T) {
	steps, err := Parse("1000")
	require.NoError(t, err)
	lines := Summarize([]string{"node"}, steps, []Trial{made("node", 0, 0, 1000, 10)})
	require.Zero(t, lines[0].OfBest.N)
	var out bytes.Buffer
	require.NoError(t, Table(&out, lines))
	require.Contains(t, out.String(), " - ")
}

func TestOrder(t *testing.T) {
	first := map[int]bool{}
	for block := range 50 {
		order := Order(7, block, 3)
		require.Equal(t, order, Order(7, block, 3), "the same seed, the same order")
		require.ElementsMatch(t, []int{0, 1, 2}, order)
		first[order[0]] = true
	}
	require.Len(t, first, 3, "every server comes first in some block")
}

// Of fewer than five blocks there is no interval of 95 %, and none is shown.
func TestFewBlocks(t *testing.T) {
	var trials []Trial
	for block := range 4 {
		trials = append(trials, made("null", 0, block, 1000, 10), made("node", 0, block, 500, 10))
	}
	var out bytes.Buffer
	require.NoError(t, Table(&out, Summarize([]string{"null", "node"}, []Step{{Best: true}}, trials)))
	require.Regexp(t, `(?m)^ *max +node +0\.500× +1\.000×`, out.String())
}

// What was stolen from, or could not be measured, is not in the figures.
func TestLeftOut(t *testing.T) {
	whole, robbed := made("node", 0, 0, 1000, 10), made("node", 0, 1, 9000, 10)
	robbed.CPU = []record.CPU{{Idle: 8e8, Steal: 2e8}}
	lines := Summarize([]string{"node"}, []Step{{Best: true}}, []Trial{whole, robbed, {Server: "node", Block: 2, Problem: "unknown"}})
	require.Equal(t, 1, lines[0].Answers.N)
	require.Equal(t, 1000.0, lines[0].Answers.Median)
}
