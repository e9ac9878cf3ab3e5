// Package inprocess measures Go benchmarks of two revisions against each other, in one go on one core.
//
// Two runs of go test say little on a machine that others use: its speed drifts by ten per cent within seconds. So the
// test programs of base, of head and once more of base, the control, are alive at once, and take turns: each repeats a
// benchmark for some milliseconds, prints the result, and is held where it would begin the next repetition, until its turn
// comes again. No change to the programs is needed, nor do they know of it: see [turnstile].
//
// A process keeps the memory layout that it was dealt, which alone may be worth some per cent. So that luck is not taken
// for a difference, a round with fresh processes makes one pair of figures only, of the medians of its repetitions, and
// there are many rounds.
package inprocess

import (
	"regexp"
	"strings"
	"time"
)

// Suite is those benchmarks of a package that one process runs.
type Suite struct {
	Package string // directory below the module's root
	Bench   string // as -test.bench takes it
	Unit    string // that is compared
	Time    string // of a repetition, as -test.benchtime takes it; "": sliceTime
	Full    bool   // left out of short runs
}

// Binary is the file name of the package's test program.
func (s Suite) Binary() string { return Binary(s.Package) }

// time is how long a repetition is.
func (s Suite) time() string {
	if s.Time != "" {
		return s.Time
	}
	return sliceTime.String()
}

// HasAny says whether one of the named timings may be the suite's.
func (s Suite) HasAny(names map[string]bool) bool {
	for name := range names {
		if strings.HasPrefix(name, s.Package+".") && s.matches(strings.TrimPrefix(name, s.Package+".")) {
			return true
		}
	}
	return false
}

// matches says whether -test.bench picks a benchmark, which package testing decides element by element.
func (s Suite) matches(name string) bool {
	elements := strings.Split("Benchmark"+name, "/")
	for i, pattern := range strings.Split(s.Bench, "/") {
		if i >= len(elements) || !regexp.MustCompile(pattern).MatchString(elements[i]) {
			return false
		}
	}
	return true
}

// Suites are those of this repository. Benchmarks that a revision has not got are not compared.
func Suites() []Suite {
	return []Suite{
		// It makes its queries anew whenever package testing tries another number of iterations: so the number is given.
		{Package: "dht", Bench: "^BenchmarkHandle$", Unit: "ns/op", Time: "40000x"},
		{Package: "cmd/supernode", Bench: "^BenchmarkTurn$", Unit: "turn-ns/datagram"},
		{Package: "dht/wire", Bench: "^Benchmark(Parse|Append)$/^(find_node|get_peers|nodes)$", Unit: "ns/op"},
		{Package: "dht/wire", Bench: "^Benchmark(Parse|Append)$/^(ping|announce_peer|id_only|values)$", Unit: "ns/op", Full: true},
		{Package: "cmd/supernode", Bench: "^BenchmarkWorker$", Unit: "worker-ns/op", Full: true},
	}
}

// HardUnits are units that are compared hard wherever a benchmark reports them: they do not depend on how fast the machine
// is.
func HardUnits() []string { return []string{"allocs/op", bytesUnit, "calls/datagram"} }

// bytesUnit is compared with some slack: allocations are counted in whole numbers an operation, so that one in every second
// operation is none, and its bytes show. What the run-time allocates for itself is spread over the operations too.
const (
	bytesUnit  = "B/op"
	bytesSlack = 16
)

// Sizes of a round. The first repetition warms up; while the last one of one process runs, another may already be setting
// up the next benchmark. Neither is counted.
const (
	sliceTime   = 10 * time.Millisecond // of a repetition
	repetitions = 6                     // of a benchmark by a process
	uncounted   = 2
)

// Binary is the file name of a package's test program.
func Binary(pkg string) string { return strings.ReplaceAll(pkg, "/", "-") + ".test" }
