package wire

import "testing"

// hot are the messages whose speed matters: the queries a node answers and the replies it writes.
var hot = []string{"ping", "find_node", "get_peers", "announce_peer", "id only", "nodes", "values"}

func BenchmarkParse(b *testing.B) {
	for _, name := range hot {
		m := findSample(name)
		p := m.Append(nil)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			var got Message
			for b.Loop() {
				if err := Parse(p, &got); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	for _, name := range hot {
		m := findSample(name)
		buf := make([]byte, 0, 1500)
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				m.Append(buf)
			}
		})
	}
}
