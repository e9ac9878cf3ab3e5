package wire

import (
	"testing"

	"github.com/stretchr/testify/require"
)

func TestOperand(t *testing.T) {
	id, point := make([]byte, 20), []byte("abcdefghijabcdefghij")
	for name, m := range map[string]Message{
		"ping":                  {Method: Ping},
		"find_node":             {Method: FindNode, Target: point},
		"find_node, want":       {Method: FindNode, Target: point, Want: Want4 | Want6},
		"get_peers":             {Method: GetPeers, InfoHash: point},
		"get_peers, no seeds":   {Method: GetPeers, InfoHash: point, NoSeed: true, Scrape: true},
		"announce_peer":         {Method: AnnouncePeer, InfoHash: point, Has: HasPort, Port: 1, Token: []byte("t")},
		"announce_peer implied": {Method: AnnouncePeer, InfoHash: point, ImpliedPort: true, Has: HasPort, Token: []byte("t")},
		"sample_infohashes":     {Method: SampleInfohashes, Target: point},
	} {
		t.Run(name, func(t *testing.T) {
			m.Kind, m.ID, m.T = Query, id, []byte("aa")
			query := m.Append(nil)
			got, isInfohash := Operand(query)
			if m.Method == Ping {
				require.Nil(t, got)
				return
			}
			require.Equal(t, point, got)
			require.Equal(t, m.InfoHash != nil, isInfohash)
			for n := range query {
				cut, _ := Operand(query[:n]) // of any length without a panic
				require.True(t, cut == nil || string(cut) == string(point))
			}
		})
	}
	reply := Message{Kind: Response, ID: id, T: []byte("aa"), Nodes: make([]byte, 26)}
	got, _ := Operand(reply.Append(nil))
	require.Nil(t, got)
}
