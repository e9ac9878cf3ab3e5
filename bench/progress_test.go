package main

import (
	"bytes"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// steps plays a run of two blocks of two trials, each 5 s long after 20 s of setting up.
func steps(p *progress) {
	p.say("filling")
	time.Sleep(20 * time.Second)
	for block := range 2 {
		for position, what := range []string{"off", "on"} {
			p.step(block, position == 0, what)
			time.Sleep(5 * time.Second)
		}
	}
	p.clear()
}

func TestProgressInAPipe(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		steps(newProgress(&out, 2, 4, 18*time.Second))
		require.Equal(t, `bench: filling
bench: block 1 of 2, 0 of 4 trials done, 18s left
bench: block 2 of 2, 2 of 4 trials done, 10s left
`, out.String())
	})
}

func TestProgressOfPhases(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newProgress(&out, 1, 1, 5*time.Second)
		p.later = 40 * time.Second
		p.step(0, true, "off")
		time.Sleep(10 * time.Second)
		p.begin("search", 2, 2, 40*time.Second, 0)
		for block := range 2 {
			p.step(block, true, "off")
			time.Sleep(15 * time.Second)
		}
		require.Equal(t, `bench: block 1 of 1, 0 of 1 trial done, 45s left
bench: search 1 of 2, 0 of 2 trials done, 40s left
bench: search 2 of 2, 1 of 2 trials done, 15s left
`, out.String())
	})
}

func TestProgressOnATerminal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		p := newProgress(&out, 2, 4, 18*time.Second)
		p.live = true
		steps(p)
		const clear = "\r\x1b[K"
		require.Equal(t, []string{
			"", "bench: filling\n",
			"block 1 of 2, 0 of 4 trials done, 18s left: off",
			"block 1 of 2, 1 of 4 trials done, 15s left: on",
			"block 2 of 2, 2 of 4 trials done, 10s left: off",
			"block 2 of 2, 3 of 4 trials done, 5s left: on",
			"",
		}, strings.Split(out.String(), clear))
	})
}
