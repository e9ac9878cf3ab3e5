package wire

import (
	"bytes"
	"fmt"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// mustParse parses in, which must be well-formed, and checks that it agrees with the reference.
func mustParse(t tester, in string) Message {
	t.Helper()
	var m Message
	require.NoError(t, Parse([]byte(in), &m), "%q", in)
	want, err := referenceParse([]byte(in))
	require.NoError(t, err, "%q", in)
	require.Equal(t, want, m, "%q", in)
	return m
}

// bstr is s in bencode.
func bstr(s string) string { return strconv.Itoa(len(s)) + ":" + s }

// TestParseStringKeys gives each key with a string value every length around the right ones.
func TestParseStringKeys(t *testing.T) {
	for _, key := range []struct {
		name  string
		where string // the message around key and value
		field func(*Message) []byte
		fit   func(int) bool
	}{
		{"t", "d%s1:y1:qe", func(m *Message) []byte { return m.T }, whatever},
		{"v", "d%s1:y1:qe", func(m *Message) []byte { return m.Version }, whatever},
		{"q", "d%s1:y1:qe", func(m *Message) []byte { return m.Name }, whatever},
		{"ip", "d%s1:y1:re", func(m *Message) []byte { return m.IP }, length(6, 18)},
		{"id", "d1:ad%se1:y1:qe", func(m *Message) []byte { return m.ID }, length(20)},
		{"id", "d1:rd%se1:y1:re", func(m *Message) []byte { return m.ID }, length(20)},
		{"target", "d1:ad%se1:y1:qe", func(m *Message) []byte { return m.Target }, length(20)},
		{"info_hash", "d1:ad%se1:y1:qe", func(m *Message) []byte { return m.InfoHash }, length(20)},
		{"token", "d1:ad%se1:y1:qe", func(m *Message) []byte { return m.Token }, whatever},
		{"nodes", "d1:rd%se1:y1:re", func(m *Message) []byte { return m.Nodes }, multiple(26)},
		{"nodes6", "d1:rd%se1:y1:re", func(m *Message) []byte { return m.Nodes6 }, multiple(38)},
		{"samples", "d1:rd%se1:y1:re", func(m *Message) []byte { return m.Samples }, multiple(20)},
		{"BFsd", "d1:rd%se1:y1:re", func(m *Message) []byte { return m.BFsd }, length(256)},
		{"BFpe", "d1:rd%se1:y1:re", func(m *Message) []byte { return m.BFpe }, length(256)},
		{"k", "d1:ad%se1:y1:qe", func(m *Message) []byte { return m.Key }, whatever},
		{"sig", "d1:ad%se1:y1:qe", func(m *Message) []byte { return m.Sig }, whatever},
		{"salt", "d1:ad%se1:y1:qe", func(m *Message) []byte { return m.Salt }, whatever},
	} {
		t.Run(key.name, func(t *testing.T) {
			for n := range 300 {
				value := strings.Repeat("x", n)
				m := mustParse(t, fmt.Sprintf(key.where, bstr(key.name)+bstr(value)))
				if key.fit(n) {
					require.Equal(t, []byte(value), key.field(&m))
				} else {
					require.Nil(t, key.field(&m), "length %d", n)
				}
			}
			for _, other := range []string{"i20e", "i-1e", "le", "l20:abcdefghij0123456789e", "de", "d1:xi1ee"} {
				m := mustParse(t, fmt.Sprintf(key.where, bstr(key.name)+other))
				require.Nil(t, key.field(&m), "%s", other)
			}
		})
	}
}

func TestParseIntegerKeys(t *testing.T) {
	for _, key := range []struct {
		name  string
		has   Has
		field func(*Message) int64
	}{
		{"port", HasPort, func(m *Message) int64 { return m.Port }},
		{"seq", HasSeq, func(m *Message) int64 { return m.Seq }},
		{"cas", HasCAS, func(m *Message) int64 { return m.CAS }},
		{"interval", HasInterval, func(m *Message) int64 { return m.Interval }},
		{"num", HasNum, func(m *Message) int64 { return m.Num }},
	} {
		for _, n := range []int64{0, 1, -1, 9, 10, 65535, 65536, math.MaxInt64, math.MinInt64, math.MaxInt64 - 1, math.MinInt64 + 1} {
			m := mustParse(t, fmt.Sprintf("d1:ad%si%dee1:y1:qe", bstr(key.name), n))
			require.Equal(t, key.has, m.Has, key.name)
			require.Equal(t, n, key.field(&m), key.name)
		}
		for _, other := range []string{"4:6881", "0:", "le", "li1ee", "de"} {
			m := mustParse(t, "d1:ad"+bstr(key.name)+other+"e1:y1:qe")
			require.Zero(t, m.Has, "%s%s", key.name, other)
			require.Zero(t, key.field(&m), "%s%s", key.name, other)
		}
	}
}

func TestParseFlags(t *testing.T) {
	for _, key := range []struct {
		name, where string
		field       func(*Message) bool
	}{
		{"ro", "d%s1:y1:qe", func(m *Message) bool { return m.ReadOnly }},
		{"implied_port", "d1:ad%se1:y1:qe", func(m *Message) bool { return m.ImpliedPort }},
		{"seed", "d1:ad%se1:y1:qe", func(m *Message) bool { return m.Seed }},
		{"noseed", "d1:ad%se1:y1:qe", func(m *Message) bool { return m.NoSeed }},
		{"scrape", "d1:ad%se1:y1:qe", func(m *Message) bool { return m.Scrape }},
	} {
		for value, want := range map[string]bool{
			"i1e": true, "i0e": false, "i2e": true, "i-1e": true, "1:1": false, "li1ee": false, "de": false,
		} {
			m := mustParse(t, fmt.Sprintf(key.where, bstr(key.name)+value))
			require.Equal(t, want, key.field(&m), "%s %s", key.name, value)
		}
	}
}

func TestParseLists(t *testing.T) {
	for in, want := range map[string]Want{
		"4:wantl2:n4e": Want4, "4:wantl2:n6e": Want6, "4:wantl2:n62:n4e": Want4 | Want6, "4:wantl2:n42:n4e": Want4,
		"4:wantle": 0, "4:want2:n4": 0, "4:wanti4e": 0, "4:wantd2:n4i1ee": 0, "4:wantl2:n52:n6e": Want6,
		"4:wantl0:3:n442:N4i4el2:n4ed2:n40:ee": 0, "4:wantl2:n4l2:n6ee": Want4, "": 0,
	} {
		m := mustParse(t, "d1:ad"+in+"e1:y1:qe")
		require.Equal(t, want, m.Want, "%q", in)
	}
	for in, want := range map[string][]byte{
		"6:valuesl6:abcdefe": []byte("6:abcdef"), "6:valuesle": {}, "6:valuesl1:ai1elede0:e": []byte("1:ai1elede0:"),
		"6:values6:abcdef": nil, "6:valuesi1e": nil, "6:valuesde": nil, "": nil,
	} {
		m := mustParse(t, "d1:rd"+in+"e1:y1:re")
		require.Equal(t, want, m.Values, "%q", in)
	}
	for _, v := range []string{"0:", "i1e", "le", "de", "12:Hello World!", "d1:b0:1:a0:e", "lli-7eee"} {
		m := mustParse(t, "d1:ad1:v"+v+"e1:v4:SN011:y1:qe")
		require.Equal(t, v, string(m.Value))
		require.Equal(t, "SN01", string(m.Version))
	}
}

func TestParseError(t *testing.T) {
	for in, want := range map[string]Message{
		"1:eli203e3:bade":      {Code: 203, Text: []byte("bad")},
		"1:eli203e0:e":         {Code: 203, Text: []byte{}},
		"1:eli203ee":           {Code: 203},
		"1:eli-1e1:xi2elee":    {Code: -1, Text: []byte("x")},
		"1:eli203elee":         {Code: 203},
		"1:eli203ei1e3:bade":   {Code: 203},
		"1:el3:badi203ee":      {},
		"1:el3:bade":           {},
		"1:ele":                {},
		"1:e3:bad":             {},
		"1:ei203e":             {},
		"1:ed4:codei203ee":     {},
		"":                     {},
		"1:eli201ee1:eli202ee": {Code: 201},
	} {
		want.Kind = Error
		require.Equal(t, want, mustParse(t, "d"+in+"1:y1:ee"), "%q", in)
	}
}

// TestParseMissing: none of the keys that every message should have is needed to parse one, save "y".
func TestParseMissing(t *testing.T) {
	require.Equal(t, Message{Kind: Query}, mustParse(t, "d1:y1:qe"))
	require.Equal(t, Message{Kind: Response}, mustParse(t, "d1:y1:re"))
	require.Equal(t, Message{Kind: Error}, mustParse(t, "d1:y1:ee"))
	require.Equal(t, Message{Kind: Query, Method: Ping, Name: []byte("ping")}, mustParse(t, "d1:q4:ping1:y1:qe"))
	require.Equal(t, Message{Kind: Query, Name: []byte{}, T: []byte{}}, mustParse(t, "d1:q0:1:t0:1:y1:qe"))
}

// TestParseQueryInside: a node was seen that looks for "1:q4:ping" anywhere.
func TestParseQueryInside(t *testing.T) {
	m := mustParse(t, "d1:ad2:id20:1:q4:ping1:y1:q12345e1:q3:zzz1:t2:aa1:y1:qe")
	require.Equal(t, Unknown, m.Method)
	require.Equal(t, "zzz", string(m.Name))
}

func TestParseMethods(t *testing.T) {
	for method := Ping; method < Methods; method++ {
		m := mustParse(t, "d1:q"+bstr(method.String())+"1:y1:qe")
		require.Equal(t, method, m.Method)
		require.Equal(t, method, MethodByName(m.Name))
	}
	for _, name := range []string{"", "unknown", "Ping", "ping ", "pin", "get_peer", "find_nodes", "getp", "sample_infohashe"} {
		m := mustParse(t, "d1:q"+bstr(name)+"1:y1:qe")
		require.Equal(t, Unknown, m.Method, name)
		require.Equal(t, name, string(m.Name))
	}
	require.Equal(t, "unknown", Unknown.String())
	require.Equal(t, "unknown", Methods.String())
	require.Equal(t, "unknown", Method(200).String())
}

// TestParseForeign: keys of another kind of message leave no trace, wherever they stand and whatever they hold.
func TestParseForeign(t *testing.T) {
	a := "1:ad2:id20:abcdefghij01234567895:token1:ae"
	r := "1:rd2:id20:mnopqrstuvwxyz1234565:nodes0:4:porti1e4:wantl2:n4e6:valuesle1:v1:xe"
	e := "1:eli203e3:bade"
	query := Message{Kind: Query, Method: Ping, Name: []byte("ping"), ID: id20, Token: []byte("a")}
	for in, want := range map[string]Message{
		a + e + "1:q4:ping" + r:  query,
		e + r + a + "1:q4:ping":  query,
		a + "1:rle1:q4:ping":     query,
		a + "1:e0:1:q4:ping":     query,
		"1:q4:ping" + r:          {Kind: Query, Method: Ping, Name: []byte("ping")},
		"1:q4:ping" + r + e:      {Kind: Query, Method: Ping, Name: []byte("ping")},
		"1:ai1e1:q4:ping" + r:    {Kind: Query, Method: Ping, Name: []byte("ping")},
		"1:a0:" + a + "1:q1:x":   {Kind: Query, Name: []byte("x")}, // the first "a" counts
		a + "1:ade" + "1:q0:":    {Kind: Query, Name: []byte{}, ID: id20, Token: []byte("a")},
		a + r + e + "1:q0:1:q0:": {Kind: Query, Name: []byte{}, ID: id20, Token: []byte("a")},
	} {
		require.Equal(t, want, mustParse(t, "d"+in+"1:y1:qe"), "%q", in)
		require.Equal(t, want, mustParse(t, "d1:y1:q"+in+"e"), "%q", in)
	}
	response := Message{Kind: Response, ID: id20}
	for _, in := range []string{a + "1:rd2:id20:abcdefghij0123456789e1:q4:ping" + e, "1:rd2:id20:abcdefghij0123456789e" + a} {
		require.Equal(t, response, mustParse(t, "d"+in+"1:y1:re"), "%q", in)
	}
	require.Equal(t, Message{Kind: Response}, mustParse(t, "d"+a+"1:y1:re"))
	require.Equal(t, Message{Kind: Error, Code: 203, Text: []byte("bad")}, mustParse(t, "d"+a+e+"1:q4:ping"+r+"1:y1:ee"))
	require.Equal(t, Message{Kind: Error}, mustParse(t, "d"+a+r+"1:y1:ee"))
}

// TestParseOrder: keys in any order, repeated ones, unknown ones.
func TestParseOrder(t *testing.T) {
	want := Message{Kind: Query, Method: GetPeers, Name: []byte("get_peers"), T: []byte("aa"), ID: id20, InfoHash: peer20,
		Has: HasPort, Port: 1, Want: Want4}
	body := []string{"2:id" + bstr(string(id20)), "9:info_hash" + bstr(string(peer20)), "4:porti1e", "4:wantl2:n4e"}
	junk := []string{"", "1:xi1e", "1:\xffle", "0:0:", "2:yyle", "3:idsde", "1:Ade", "6:targetl1:ae", "300:" + strings.Repeat("k", 300) + "i-5e",
		"1:zd1:yl1:qe1:ai0e1:ld0:0:ee"}
	for i := range body {
		for _, j := range junk {
			b := strings.Join(append(append([]string{j}, body[i:]...), body[:i]...), j)
			for _, top := range []string{
				"d1:ad" + b + "e1:q9:get_peers" + j + "1:t2:aa" + j + "1:y1:qe",
				"d1:y1:q1:t2:aa1:q9:get_peers1:ad" + b + "ee",
				"d1:q9:get_peers1:ad" + b + "e1:y1:q1:t2:aae",
				// Repeated: the first counts, of the right type or not.
				"d1:ad" + b + "2:id20:aaaaaaaaaaaaaaaaaaaa4:porti2e4:wantl2:n6ee1:q9:get_peers1:q4:ping1:t2:aa1:t2:bb1:y1:q1:y1:re",
				"d1:ad" + b + "2:idi1e4:port0:4:wantdee1:a0:1:q9:get_peers1:qi1e1:t2:aa1:tle1:y1:q1:yi1ee",
			} {
				require.Equal(t, want, mustParse(t, top), "%q", top)
			}
		}
	}
	// The first counts even if it is of no use.
	m := mustParse(t, "d1:ad2:idi1e2:id20:abcdefghij01234567894:port1:x4:porti1ee1:ti1e1:t2:aa1:y1:qe")
	require.Equal(t, Message{Kind: Query}, m)
}

// TestParseForgets: nothing of the previous message is left, on success or failure.
func TestParseForgets(t *testing.T) {
	var m Message
	for _, s := range samples() {
		p := s.msg.Append(nil)
		require.NoError(t, Parse(p, &m))
		require.NoError(t, Parse([]byte("d1:y1:qe"), &m))
		require.Equal(t, Message{Kind: Query}, m, s.name)
	}
}

// TestParseViews: what Parse returns points into the datagram and cannot grow over its neighbour.
func TestParseViews(t *testing.T) {
	for _, s := range samples() {
		p := s.msg.Append(nil)
		before := bytes.Clone(p)
		var m Message
		require.NoError(t, Parse(p, &m))
		requireViews(t, p, &m)
		require.Equal(t, before, p, "Parse writes into its input")
	}
}
