package inprocess

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// Exact is a benchmark whose figure of interest depends on no clock, so that running it once will do.
type Exact struct {
	Package, Bench, Unit string
	Name                 string  // of the figure, in reports
	Growth               float64 // share by which head's may exceed base's
	Full                 bool
}

// Exacts are those of this repository: bytes of memory.
func Exacts() []Exact {
	return []Exact{
		{Package: "dht", Bench: "^BenchmarkMemoryNodes$/^IPv4$/^100000$", Unit: "computed-B/node", Name: "memory of a node", Growth: 0.02},
		{Package: "dht", Bench: "^BenchmarkMemoryPeers$", Unit: "counted-B/peer", Name: "memory of a peer", Growth: 0.02, Full: true},
	}
}

// Once runs an exact benchmark of one side, and returns its figure; ok is false where the side has no such benchmark.
func (e Exact) Once(ctx context.Context, side Side) (value float64, ok bool, err error) {
	cmd := exec.CommandContext(ctx, filepath.Join(side.Programs, Binary(e.Package)), "-test.run=^$", "-test.bench="+e.Bench, "-test.benchtime=1x")
	if side.Source != "" {
		cmd.Dir = filepath.Join(side.Source, e.Package)
	}
	var said strings.Builder
	cmd.Stderr = &said
	text, err := cmd.Output()
	if err != nil {
		if ctx.Err() != nil {
			return 0, false, context.Cause(ctx)
		}
		return 0, false, fmt.Errorf("benchmark %s of %s failed (%w); it said:\n%s", e.Bench, e.Package, err, tail(string(text)+said.String()))
	}
	all, err := parse(string(text))
	if err != nil {
		return 0, false, err
	}
	for _, r := range all {
		if v, ok := r.value(e.Unit); ok {
			return v, true, nil
		}
	}
	return 0, false, nil
}
