package trial

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"os/exec"
	"strconv"
	"time"

	"supernode/bench/lab"
	"supernode/bench/record"
)

// Generator is a load generator that runs in the lab's client namespace, aimed at one server, and is told what
// to do over its control protocol.
type Generator struct {
	process
	requests *json.Encoder
	events   chan event
}

// Load is one request to a generator.
type Load struct {
	Rate      float64 `json:"rate"` // queries a second; 0 is a closed loop
	Window    int     `json:"window,omitempty"`
	DurationS float64 `json:"duration_s"`
	WarmupS   float64 `json:"warmup_s"`
	Flows     int     `json:"flows"`
	Mix       string  `json:"mix,omitempty"`
	Seed      uint64  `json:"seed"`
}

type event struct {
	Event  string          `json:"event"`
	Result json.RawMessage `json:"result"`
	Error  string          `json:"error"`
	broken error           // the output ended, or could not be read
}

// StartGenerator starts the program at path on the client's core, with up to flows flows over the addresses the
// client owns, and returns when its sockets are open.
func StartGenerator(ctx context.Context, l *lab.Lab, path string, target netip.AddrPort, flows int) (*Generator, error) {
	spec := l.Spec()
	sources := spec.Sources4
	if target.Addr().Is6() {
		sources = spec.Sources6
	}
	cmd := exec.Command(path, "--control", "--quiet", "--flows", strconv.Itoa(flows), "--sources", sources.String(), target.String())
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	// A pipe of our own: cmd.StdoutPipe would be closed by Wait under our reader.
	out, in := io.Pipe()
	cmd.Stdout = in
	g := &Generator{requests: json.NewEncoder(stdin), events: make(chan event, 16)}
	if err := g.start(l, lab.Client, spec.ClientCPU, cmd); err != nil {
		return nil, fmt.Errorf("start generator %s: %w", path, err)
	}
	go func() {
		<-g.done
		in.CloseWithError(g.ended())
	}()
	go g.read(out)
	if _, err := g.await(ctx, "ready"); err != nil {
		return nil, errors.Join(err, g.Stop())
	}
	return g, nil
}

// read decodes events until the output ends.
func (g *Generator) read(out io.Reader) {
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if err := json.Unmarshal(lines.Bytes(), &e); err != nil {
			e = event{broken: fmt.Errorf("read generator's output %.80q: %w", lines.Bytes(), err)}
		}
		g.events <- e
	}
	err := lines.Err()
	if err == nil {
		err = io.ErrUnexpectedEOF
	}
	g.events <- event{broken: fmt.Errorf("read generator's output: %w", err)}
}

// await returns the next event, which must be of the given kind.
func (g *Generator) await(ctx context.Context, kind string) (event, error) {
	select {
	case e := <-g.events:
		switch {
		case e.broken != nil:
			return e, e.broken
		case e.Event == "error":
			return e, fmt.Errorf("generator refused the trial: %s", e.Error)
		case e.Event != kind:
			return e, fmt.Errorf("generator said %q where %q was due", e.Event, kind)
		}
		return e, nil
	case <-ctx.Done():
		return event{}, context.Cause(ctx)
	}
}

// result is what the harness needs of a generator's result beside what it records.
type result struct {
	record.Load
	AnswersInInterval uint64 `json:"answers_in_interval"`
	IntervalNS        int64  `json:"interval_ns"`
}

// UnmarshalJSON reads both parts of a result: record.Load has an UnmarshalJSON of its own, which embedding would
// promote to the whole.
func (r *result) UnmarshalJSON(b []byte) error {
	var own struct {
		AnswersInInterval uint64 `json:"answers_in_interval"`
		IntervalNS        int64  `json:"interval_ns"`
	}
	if err := json.Unmarshal(b, &own); err != nil {
		return err
	}
	r.AnswersInInterval, r.IntervalNS = own.AnswersInInterval, own.IntervalNS
	return json.Unmarshal(b, &r.Load)
}

// run makes one trial; begin and end are called at the ends of the measured interval.
func (g *Generator) run(ctx context.Context, load Load, begin, end func() error) (result, error) {
	expected := time.Duration((load.DurationS + load.WarmupS) * float64(time.Second))
	ctx, cancel := within(ctx, 2*expected+10*time.Second, "trial")
	defer cancel()
	var r result
	if err := g.requests.Encode(load); err != nil {
		return r, fmt.Errorf("ask generator for a trial: %w", err)
	}
	for _, step := range []struct {
		kind string
		do   func() error
	}{{"measuring", begin}, {"measured", end}} {
		if _, err := g.await(ctx, step.kind); err != nil {
			return r, err
		}
		if err := step.do(); err != nil {
			return r, err
		}
	}
	e, err := g.await(ctx, "result")
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(e.Result, &r); err != nil {
		return r, fmt.Errorf("read generator's result: %w", err)
	}
	return r, nil
}

// Push sends load and forgets the result: to wake a server up, or to fill its tables. It returns how many queries
// were answered.
func (g *Generator) Push(ctx context.Context, load Load) (answered uint64, err error) {
	nothing := func() error { return nil }
	r, err := g.run(ctx, load, nothing, nothing)
	return r.Answered, err
}
