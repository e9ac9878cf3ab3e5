package trial

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"sync"
	"time"

	"supernode/bench/record"
)

// startTimeout is how long a generator may take to open its sockets, tens of thousands of addresses behind them.
const startTimeout = 20 * time.Second

// generator is a load generator that is aimed at one server, and told what to do over its control protocol: a JSON
// object a line, requests on its standard input, events on its standard output. The events of a trial are measuring
// and measured, at the ends of the measured interval, and result.
type generator struct {
	process
	requests *json.Encoder
	events   chan event // closed when the program has ended and all it said has been read
	stopping chan struct{}
	stop     sync.Once
}

// Load is one request to a generator.
type Load struct {
	Rate       float64 `json:"rate"` // queries a second; 0 is a closed loop
	Window     int     `json:"window,omitempty"`
	DurationS  float64 `json:"duration_s"`
	WarmupS    float64 `json:"warmup_s"`
	Flows      int     `json:"flows"`
	Mix        string  `json:"mix,omitempty"`
	Infohashes int     `json:"infohashes,omitempty"` // distinct ones; 0: as many as it was started with
	Zipf       float64 `json:"zipf,omitempty"`       // exponent of the info_hashes' popularity; 0: all alike
	Miss       bool    `json:"miss,omitempty"`       // ask for info_hashes that are never announced
	Walk       bool    `json:"walk,omitempty"`       // take flows and info_hashes in sequence, to reach each once
	Seed       uint64  `json:"seed"`

	// What differs from the generator's own: how long a query may take to be answered, and how long answers are awaited
	// after the interval.
	TimeoutS float64  `json:"timeout_s,omitempty"`
	GraceS   *float64 `json:"grace_s,omitempty"`

	// Prime, if it is not nil, is done before, for what it leaves behind: entries of all flows, for one.
	Prime *Load `json:"-"`

	// Series, if it is not nil, makes the trial of many, for which all but Flows is its own business.
	Series Series `json:"-"`
}

type event struct {
	Event  string          `json:"event"`
	Result json.RawMessage `json:"result"`
	Error  string          `json:"error"`
	broken error           // the line is no event
}

// startGenerator starts cmd through start, and returns when its sockets are open.
func startGenerator(ctx context.Context, cmd *exec.Cmd, start func(*exec.Cmd) error) (*generator, error) {
	stdin, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	// A pipe of our own: cmd.StdoutPipe would be closed by Wait under our reader.
	out, in, err := os.Pipe()
	if err != nil {
		return nil, errors.Join(err, stdin.Close())
	}
	cmd.Stdout = in
	g := &generator{requests: json.NewEncoder(stdin), events: make(chan event), stopping: make(chan struct{})}
	err = g.start("generator", cmd, start)
	in.Close() // the program has its own
	if err != nil {
		stdin.Close()
		out.Close()
		return nil, err
	}
	go g.read(out)
	ctx, cancel := within(ctx, startTimeout, "the generator's start")
	defer cancel()
	if _, err := g.await(ctx, "ready"); err != nil {
		return nil, errors.Join(err, g.Stop())
	}
	return g, nil
}

// Stop ends the program.
func (g *generator) Stop() error {
	g.stop.Do(func() { close(g.stopping) })
	return g.process.Stop()
}

// read decodes events until the output ends, and with it the program. What it leaves half written is dropped.
func (g *generator) read(out io.ReadCloser) {
	defer out.Close()
	for lines := bufio.NewReader(out); ; {
		line, err := lines.ReadBytes('\n')
		if err != nil {
			<-g.done
			close(g.events)
			return
		}
		var e event
		if err := json.Unmarshal(line, &e); err != nil {
			e.broken = fmt.Errorf("read generator's output %.80q: %w", line, err)
		}
		select {
		case g.events <- e:
		case <-g.stopping:
			return
		}
	}
}

// await returns the next event, which must be of the given kind.
func (g *generator) await(ctx context.Context, kind string) (event, error) {
	select {
	case e, ok := <-g.events:
		switch {
		case !ok:
			return e, g.ended()
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

// ask sends a request.
func (g *generator) ask(ctx context.Context, load Load) error {
	err := g.requests.Encode(load)
	if err == nil {
		return nil
	}
	select { // a broken pipe: the program is about to say why
	case <-g.done:
		return g.ended()
	case <-ctx.Done():
		return fmt.Errorf("ask generator for a trial: %w", err)
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

// run makes one trial; begin and end are called at the ends of the measured interval. After an error the generator is
// good for nothing but to be stopped.
func (g *generator) run(ctx context.Context, load Load, begin, end func() error) (r result, err error) {
	expected := time.Duration((load.DurationS + load.WarmupS) * float64(time.Second))
	ctx, cancel := within(ctx, 2*expected+10*time.Second, "a trial of "+expected.String())
	defer cancel()
	if err := g.ask(ctx, load); err != nil {
		return r, err
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
