package report

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"supernode/bench/plan"
	"supernode/bench/record"
)

// reported makes the report of an imagined run.
func reported(t *testing.T, header func(*record.Header)) (Summary, string) {
	t.Helper()
	s, err := Summarize(imagine(world{blocks: 5, header: header}))
	require.NoError(t, err)
	var page bytes.Buffer
	require.NoError(t, s.Markdown(&page))
	return s, page.String()
}

func TestOtherServers(t *testing.T) {
	s, _ := reported(t, nil)
	require.Empty(t, s.Payload)
	require.NotContains(t, strings.Join(s.Notes, "\n"), "the server was asked")

	s, page := reported(t, func(h *record.Header) { h.Payload = "dns:example.org" })
	require.Equal(t, "dns:example.org", s.Payload)
	require.Contains(t, page, "\n- the server was asked `dns:example.org`: the same datagram each time, but for a number\n")

	at := 24
	_, page = reported(t, func(h *record.Header) { h.Payload, h.ReplyAt = "hex:00{seq}", &at })
	require.Contains(t, page, "but for a number, which its replies have at offset 24\n")
}

// Few flows have asked a slow server when a trial is over. The kernel's count of entries says so.
func TestSlowServers(t *testing.T) {
	run := imagine(world{blocks: 5})
	slow := func(entries uint64) string {
		for i := range run.Trials {
			if x := &run.Trials[i]; x.Arm == plan.On && x.Flows == plan.Many {
				x.Conntrack.Entries = entries
			}
		}
		s, err := Summarize(run)
		require.NoError(t, err)
		return strings.Join(s.Notes, "\n")
	}
	require.Contains(t, slow(550), "of the 60,000 flows only 550 had an entry")
	require.NotContains(t, slow(30_000), "had an entry")
}

func TestUnprivileged(t *testing.T) {
	const mark = "Measured without root, in a user namespace"
	s, page := reported(t, nil)
	require.False(t, s.Unprivileged)
	require.NotContains(t, page, mark)

	s, page = reported(t, func(h *record.Header) {
		h.Unprivileged, h.Notes, h.Machine.NAPIPinned = true, []string{"measured without root: so and so"}, false
	})
	require.True(t, s.Unprivileged)
	require.Contains(t, page, mark)
	require.Equal(t, "measured without root: so and so", s.Notes[0])
	require.NotContains(t, strings.Join(s.Notes, "\n"), "could not be pinned", "it is said already")
	var table bytes.Buffer
	require.NoError(t, s.Table(&table, false))
	require.Contains(t, table.String(), "\nnote: measured without root: so and so\n")
}
