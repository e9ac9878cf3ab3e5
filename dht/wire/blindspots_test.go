//go:build !386 && !arm && !mips && !mipsle

package wire

import "slices"

// A blind spot is something that the oracle cannot express or cannot tell apart. Both readings of a message are
// compared with their blind spots covered.
type blindSpot struct {
	name    string
	reason  string
	example string // a message it shows on
	cover   func(*Message)
}

var blindSpots = []blindSpot{
	{"empty strings", "it keeps no difference between a missing string and an empty one",
		"d1:ad5:token0:e1:q4:ping1:t0:1:y1:qe", func(m *Message) {
			for _, f := range []*[]byte{&m.T, &m.Name, &m.Version, &m.Token, &m.Nodes, &m.Nodes6, &m.Values, &m.Samples,
				&m.Value, &m.Salt, &m.Text} {
				if len(*f) == 0 {
					*f = nil
				}
			}
		}},
	{"zero ids", "it keeps no difference between a missing id, key or signature and one of zeros",
		"d1:ade1:q4:ping1:t1:a1:y1:qe", func(m *Message) {
			for _, f := range []*[]byte{&m.ID, &m.Target, &m.InfoHash, &m.Key, &m.Sig} {
				if !slices.ContainsFunc(*f, func(b byte) bool { return b != 0 }) {
					*f = nil
				}
			}
		}},
	{"zero cas", "it keeps no difference between a missing cas and zero",
		"d1:ad3:casi0ee1:q3:put1:t1:a1:y1:qe", func(m *Message) {
			if m.CAS == 0 {
				m.Has &^= HasCAS
			}
		}},
	{"seed", "it does not know \"seed\" of BEP 33",
		"d1:ad4:seedi1ee1:q4:ping1:t1:a1:y1:qe", func(m *Message) { m.Seed = false }},
	{"queries", "in a query it does not know the keys of replies",
		"d1:ad3:numi1e5:nodes26:abcdefghijklmnopqrstuvwxyz6:valuesl6:abcdefee1:q4:ping1:t1:a1:y1:qe", func(m *Message) {
			if m.Kind == Query {
				m.Nodes, m.Nodes6, m.Values, m.Samples, m.BFsd, m.BFpe = nil, nil, nil, nil, nil, nil
				m.Interval, m.Num = 0, 0
				m.Has &^= HasInterval | HasNum
			}
		}},
	{"replies", "in a reply it does not know the keys of queries",
		"d1:rd4:porti1e4:wantl2:n4ee1:t1:a1:y1:re", func(m *Message) {
			if m.Kind == Response {
				m.Target, m.InfoHash, m.Salt = nil, nil, nil
				m.Port, m.CAS, m.Want = 0, 0, 0
				m.Has &^= HasPort | HasCAS
				m.ImpliedPort, m.NoSeed, m.Scrape = false, false, false
			}
		}},
}

// covered is m with all blind spots covered but the one called except.
func covered(m Message, except string) Message {
	for _, s := range blindSpots {
		if s.name != except {
			s.cover(&m)
		}
	}
	return m
}
