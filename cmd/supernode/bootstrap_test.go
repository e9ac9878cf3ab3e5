package main

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// lookups is a resolver under the test's control, and what was given to the node.
type lookups struct {
	mu      sync.Mutex
	answers map[string][]netip.Addr // a name that is missing does not resolve
	at      []time.Duration         // when "a" was looked up, since the start
	given   [][]netip.AddrPort
	start   time.Time
}

func (l *lookups) lookup(_ context.Context, _, host string) ([]netip.Addr, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if host == "a" {
		l.at = append(l.at, time.Since(l.start).Round(time.Second))
	}
	if addrs, ok := l.answers[host]; ok {
		return append([]netip.Addr(nil), addrs...), nil
	}
	return nil, errors.New("no such host")
}

// answer changes what resolves to what.
func (l *lookups) answer(answers map[string][]netip.Addr) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.answers = answers
}

// seen returns copies of what has happened so far.
func (l *lookups) seen() (at []time.Duration, given [][]netip.AddrPort) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.at), slices.Clone(l.given)
}

func (l *lookups) bootstrapper(names ...hostPort) *bootstrapper {
	l.start = time.Now()
	b := newBootstrapper(names, func(a []netip.AddrPort) {
		l.mu.Lock()
		defer l.mu.Unlock()
		l.given = append(l.given, a)
	}, quiet)
	b.lookup = l.lookup
	return b
}

var (
	addrA = netip.MustParseAddr("192.0.2.1")
	addrB = netip.MustParseAddr("2001:db8::1")
)

// TestBootstrapBacksOff: a name that does not resolve is tried at growing intervals, and then hourly.
func TestBootstrapBacksOff(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lookups{}
		ctx, cancel := context.WithCancel(t.Context())
		go l.bootstrapper(hostPort{"a", 6881}).run(ctx)
		time.Sleep(30 * time.Minute) // of the bubble's time
		synctest.Wait()
		at, given := l.seen()
		s := time.Second
		require.Equal(t, []time.Duration{
			0, 5 * s, 15 * s, 35 * s, 75 * s, 155 * s, 315 * s, 635 * s, 1235 * s,
		}, at)
		require.Empty(t, given)

		l.answer(map[string][]netip.Addr{"a": {addrA}})
		time.Sleep(3 * time.Hour)
		synctest.Wait()
		at, given = l.seen()
		require.Equal(t, []time.Duration{1835 * s, 1835*s + time.Hour, 1835*s + 2*time.Hour}, at[9:])
		require.Equal(t, [][]netip.AddrPort{{netip.AddrPortFrom(addrA, 6881)}}, given, "once: nothing has changed")
		cancel()
	})
}

// TestBootstrapKeepsWhatItHas: a name that stops resolving keeps its addresses, and one that moves gives them up.
func TestBootstrapKeepsWhatItHas(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lookups{answers: map[string][]netip.Addr{"a": {addrA}}}
		b := l.bootstrapper(hostPort{"a", 1}, hostPort{"b", 2})
		round := func() (failing bool) {
			changed, failing := b.resolve(t.Context())
			if changed {
				b.give(b.addrs())
			}
			return failing
		}
		require.True(t, round())
		l.answer(map[string][]netip.Addr{"b": {addrB}})
		require.True(t, round())
		l.answer(map[string][]netip.Addr{"a": {addrB}, "b": {addrB}})
		require.False(t, round())
		_, given := l.seen()
		require.Equal(t, [][]netip.AddrPort{
			{netip.AddrPortFrom(addrA, 1)},
			{netip.AddrPortFrom(addrA, 1), netip.AddrPortFrom(addrB, 2)},
			{netip.AddrPortFrom(addrB, 1), netip.AddrPortFrom(addrB, 2)},
		}, given)
	})
}

// TestBootstrapStopsWhileResolving: a name server that never answers does not hold up the end, nor other names.
func TestBootstrapStopsWhileResolving(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lookups{answers: map[string][]netip.Addr{"b": {addrB}}}
		b := l.bootstrapper(hostPort{"dead", 1}, hostPort{"b", 2})
		quick := b.lookup
		b.lookup = func(ctx context.Context, network, host string) ([]netip.Addr, error) {
			if host == "dead" {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return quick(ctx, network, host)
		}
		ctx, cancel := context.WithCancel(t.Context())
		var ended atomic.Bool
		go func() { b.run(ctx); ended.Store(true) }()
		synctest.Wait()
		require.False(t, ended.Load())
		time.Sleep(resolveTimeout)
		synctest.Wait()
		_, given := l.seen()
		require.Len(t, given, 1)

		time.Sleep(resolveRetryMin + time.Second) // it is at it again
		cancel()
		synctest.Wait()
		require.True(t, ended.Load())
		_, given = l.seen()
		require.Len(t, given, 1)
	})
}
