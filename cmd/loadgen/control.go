package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// request is one line of the control protocol: what the trial changes from the command line.
type request struct {
	Miss *bool `json:"miss"`
	Walk *bool `json:"walk"`

	Rate      *float64 `json:"rate"` // 0: closed loop
	Profile   *string  `json:"profile"`
	Arrivals  *string  `json:"arrivals"`
	Window    *int     `json:"window"`
	DurationS *float64 `json:"duration_s"`
	WarmupS   *float64 `json:"warmup_s"`
	Flows     *int     `json:"flows"`
	Mix       *string  `json:"mix"`
	Seed      *uint64  `json:"seed"`

	Infohashes *int     `json:"infohashes"`
	Zipf       *float64 `json:"zipf"`
	TimeoutS   *float64 `json:"timeout_s"`
	GraceS     *float64 `json:"grace_s"`
}

// parseRequest reads a request line and applies it to p, of which it keeps what the line does not mention. At most
// c.flows flows can be had.
func parseRequest(line []byte, c *config) (params, error) {
	p := c.params
	var r request
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return p, fmt.Errorf("read request: %w", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return p, errors.New("read request: more than one JSON object in the line")
	}
	if r.Miss != nil {
		p.miss = *r.Miss
	}
	if r.Walk != nil {
		p.inOrder = *r.Walk
	}
	if r.Rate != nil {
		p.rate, p.profile = rate(*r.Rate), nil
	}
	if r.Window != nil {
		p.window = *r.Window
	}
	if r.Flows != nil {
		p.flows = *r.Flows
	}
	if r.Seed != nil {
		p.seed = *r.Seed
	}
	if r.Infohashes != nil {
		p.infohashes = *r.Infohashes
	}
	if r.Zipf != nil {
		p.zipf = *r.Zipf
	}
	if err := r.times(&p); err != nil {
		return p, err
	}
	if err := r.schedule(&p); err != nil {
		return p, err
	}
	if r.Mix != nil {
		if err := p.mix.Set(*r.Mix); err != nil {
			return p, fmt.Errorf("mix: %w", err)
		}
	}
	if c.payload.foreign() && (r.Mix != nil || r.Infohashes != nil || r.Zipf != nil || p.miss) {
		return p, fmt.Errorf("mix, infohashes, zipf, miss: mean nothing with --payload %s, leave them out", &c.payload)
	}
	if err := c.payload.fits(&p, "", p.timeout); err != nil {
		return p, err
	}
	if p.flows > c.flows {
		return p, fmt.Errorf("flows %d: only %d were opened, start with a larger --flows", p.flows, c.flows)
	}
	return p, p.check("", p.timeout)
}

// times applies what the request says of durations.
func (r *request) times(p *params) (err error) {
	if r.DurationS != nil {
		if p.duration, err = seconds(*r.DurationS); err != nil {
			return fmt.Errorf("duration_s %v: %w", *r.DurationS, err)
		}
	}
	if r.WarmupS != nil {
		if p.warmup, err = seconds(*r.WarmupS); err != nil {
			return fmt.Errorf("warmup_s %v: %w", *r.WarmupS, err)
		}
	}
	if r.TimeoutS != nil {
		if p.timeout, err = seconds(*r.TimeoutS); err != nil {
			return fmt.Errorf("timeout_s %v: %w", *r.TimeoutS, err)
		}
	}
	if r.GraceS != nil {
		if p.grace, err = seconds(*r.GraceS); err != nil || p.grace < 0 {
			return fmt.Errorf("grace_s %v: must be seconds, 0 to 1e9", *r.GraceS)
		}
	}
	return nil
}

// schedule applies what the request says of arrivals and profile.
func (r *request) schedule(p *params) error {
	if r.Arrivals != nil {
		if err := p.arrivals.Set(*r.Arrivals); err != nil {
			return fmt.Errorf("arrivals %q: %w", *r.Arrivals, err)
		}
	}
	switch {
	case r.Profile != nil && (r.Rate != nil || r.DurationS != nil):
		return errors.New("profile: says the rates and how long, leave out rate and duration_s")
	case r.Profile != nil:
		var f profile
		if err := f.Set(*r.Profile); err != nil {
			return fmt.Errorf("profile: %w", err)
		}
		p.follow(f)
	case p.profile != nil && r.DurationS != nil:
		return errors.New("duration_s: --profile says how long, give a rate with it")
	}
	return nil
}

// event is one line of the control protocol's answers.
type event struct {
	Event  string  `json:"event"`
	Flows  int     `json:"flows,omitempty"`
	Result *result `json:"result,omitempty"`
	Error  string  `json:"error,omitempty"`
}

// control runs a trial for each line of stdin, until it ends. Between trials the flows stay alive.
func control(ctx context.Context, w *crew, c *config, stdin io.Reader, stdout io.Writer) error {
	out := json.NewEncoder(stdout) // one write a line, not buffered
	e := w.lead
	e.events.measuring = func() error { return out.Encode(event{Event: "measuring"}) }
	e.events.measured = func() error { return out.Encode(event{Event: "measured"}) }
	if err := tell(func() error { return out.Encode(event{Event: "ready", Flows: c.flows}) }); err != nil {
		return err
	}
	lines := readLines(ctx, e, stdin)
	for !e.halted.Load() {
		select {
		case line := <-lines:
			if errors.Is(line.err, io.EOF) {
				return nil
			}
			answer, err := respond(w, c, line)
			if err != nil {
				return err
			}
			if err := tell(func() error { return out.Encode(answer) }); err != nil {
				return err
			}
		default:
			if err := e.idle(); err != nil {
				return err
			}
		}
	}
	return nil
}

// respond runs the trial that a line asks for. A bad request is an answer, too; an error ends the program.
func respond(w *crew, c *config, line input) (event, error) {
	if line.err != nil {
		return event{}, fmt.Errorf("read standard input: %w", line.err)
	}
	p, err := parseRequest(line.text, c)
	if err != nil {
		return event{Event: "error", Error: err.Error()}, nil
	}
	r, err := w.run(p)
	return event{Event: "result", Result: r}, err
}

// input is a line of standard input, or how it ended.
type input struct {
	text []byte
	err  error
}

// readLines reads beside the loop, and wakes it after each line that is not empty. The channel has room for
// one, so that a line which comes during a trial is there when the loop next looks.
func readLines(ctx context.Context, e *engine, stdin io.Reader) <-chan input {
	lines := make(chan input, 1)
	send := func(i input) {
		select {
		case lines <- i:
			e.transport.Wake()
		case <-ctx.Done():
		}
	}
	go func() {
		scanner := bufio.NewScanner(stdin)
		for scanner.Scan() {
			if text := bytes.TrimSpace(scanner.Bytes()); len(text) > 0 {
				send(input{text: bytes.Clone(text)})
			}
		}
		err := scanner.Err()
		if err == nil {
			err = io.EOF
		}
		send(input{err: err})
	}()
	return lines
}
