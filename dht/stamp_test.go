package dht

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestStamp(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		start := rapid.SampledFrom(starts).Draw(t, "start").Add(time.Duration(rapid.Int64Range(0, int64(time.Hour)).Draw(t, "offset")))
		age := time.Duration(rapid.Int64Range(0, int64(18*time.Hour)).Draw(t, "age"))
		seed := rapid.Bool().Draw(t, "seed")
		end := newStamp(start.Add(peerLifetime), seed)
		if end&stampSeed != 0 != seed {
			t.Fatalf("seed %v is not kept", seed)
		}
		expired := end.expired(newStamp(start.Add(age), false))
		if age >= peerLifetime && !expired || age <= peerLifetime-2*time.Duration(stampUnit) && expired {
			t.Fatalf("announced at %d: expired %v after %v", start, expired, age)
		}
	})
}
