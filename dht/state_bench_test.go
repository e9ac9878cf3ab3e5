package dht

import (
	"bytes"
	"testing"
	"time"
)

// BenchmarkState measures a node with a million nodes and a million info_hashes: one part of a snapshot (ns/op), the
// longest of all, and how long it takes to read the whole back.
func BenchmarkState(b *testing.B) {
	n, _ := bigNode(b, 1)
	homes := homesOf(n)
	b.Run("save", func(b *testing.B) {
		s, buf, longest := (*Snapshot)(nil), make([]byte, 0, SnapshotPart), time.Duration(0)
		more := false
		b.ReportAllocs()
		for b.Loop() {
			if !more {
				s = NewSnapshot(Instant(time.Minute), stateCreated, homes)
			}
			before := time.Now()
			buf, more = s.Append(buf[:0])
			longest = max(longest, time.Since(before))
		}
		b.ReportMetric(float64(longest.Nanoseconds()), "max-ns")
	})
	b.Run("restore", func(b *testing.B) {
		state := save(b, Instant(time.Minute), homes...)
		b.SetBytes(int64(len(state)))
		for b.Loop() {
			fresh, err := New(Config{Seed: [32]byte{1}})
			if err != nil {
				b.Fatal(err)
			}
			s, err := OpenState(bytes.NewReader(state))
			if err != nil {
				b.Fatal(err)
			}
			if r, err := s.Restore(0, 0, homesOf(fresh)); err != nil || r.Nodes != n.Counts().Nodes4 || r.Peers != n.Counts().Peers {
				b.Fatal(r, err)
			}
		}
	})
}
