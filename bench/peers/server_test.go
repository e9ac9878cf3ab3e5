package peers

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestParseServer(t *testing.T) {
	s, err := ParseServer("mine = /bin/dht --listen {addr} ")
	require.NoError(t, err)
	require.Equal(t, "mine", s.Name)
	require.Equal(t, "/bin/dht --listen {addr}", s.Command)
	require.Equal(t, "/bin/dht", s.Program())
	for text, says := range map[string]string{
		"/bin/dht {addr}": "give NAME=COMMAND",
		"=/bin/dht":       "give NAME=COMMAND",
		"mine=":           "give NAME=COMMAND",
		"a,b=/x {addr}":   "must not hold a comma",
		"mine=/bin/dht":   "{addr}",
	} {
		_, err := ParseServer(text)
		require.ErrorContains(t, err, says, text)
	}
}

func TestSelect(t *testing.T) {
	all := Builtin("/bin")
	require.Equal(t, Subject, all[0].Name)
	for _, s := range all {
		require.Contains(t, s.Command, AddrMark, s.Name)
		require.Regexp(t, "priority|SCHED_RR", s.Note, "who is ahead of the receive thread has to be known")
	}
	own := Server{Name: "mine", Command: "x {addr}"}
	other := Server{Name: "null", Command: "y {addr}"}
	more := Add(all, own, other)
	require.Len(t, more, len(all)+1)
	require.Equal(t, other, more[1], "it takes the place of the one of that name")
	require.Equal(t, "null", all[1].Name)
	require.NotEqual(t, other, all[1], "all is left alone")

	some, err := Select(more, []string{"mine", Subject})
	require.NoError(t, err)
	require.Equal(t, []string{Subject, "mine"}, names(some))
	_, err = Select(all, []string{"nul"})
	require.ErrorContains(t, err, `unknown server "nul": give some of supernode, null, `)
}

func TestKnows(t *testing.T) {
	tracker := Server{Payload: BEP15}
	for _, m := range Methods() {
		require.True(t, Server{}.Knows(m))
		require.Equal(t, m == Ping, tracker.Knows(m), m)
	}
	require.False(t, tracker.Knows(Latency))
}
