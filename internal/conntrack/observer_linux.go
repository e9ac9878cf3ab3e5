package conntrack

import (
	"context"
	"fmt"
	"time"
)

// proofLasts is how long an Observer trusts what the probe found. Rules change seldom, and each probe sends the server
// a datagram.
const proofLasts = 15 * time.Second

// Observer makes observations of one port in the network namespace of the thread that makes it. All its calls belong
// on that thread; a caller that has entered a namespace has locked its goroutine to it.
type Observer struct {
	port   uint16
	root   string
	reader *Reader

	proved    time.Time
	activity  Activity
	unchecked []string // of the proof

	at      time.Time // of what follows
	facts   Facts
	sockets Sockets
}

// NewObserver opens the kernel's files. An ordinary user may; what that one may not see ends up in
// Observation.Unchecked.
func NewObserver(port uint16) (*Observer, error) {
	reader, err := Open()
	if err != nil {
		return nil, err
	}
	return &Observer{port: port, root: "/", reader: reader}, nil
}

// Close closes the files.
func (o *Observer) Close() error { return o.reader.Close() }

// Observe looks at the port for a window of time, which begins where the last one ended. It returns early, with the
// error of ctx, when that ends.
func (o *Observer) Observe(ctx context.Context, window time.Duration) (Observation, error) {
	if o.proved.IsZero() || time.Since(o.proved) > proofLasts {
		o.prove()
	}
	if o.at.IsZero() {
		if err := o.look(); err != nil {
			return Observation{}, err
		}
	}
	first := *o
	seen := Observation{Port: o.port, Activity: o.activity, First: first.facts}
	seen.Unchecked = append(seen.Unchecked, o.unchecked...)
	end := time.NewTimer(window)
	defer end.Stop()
	if o.facts.Present && o.activity.Active != No {
		var err error
		if seen.NewFlows, err = countNewFlows(ctx, window); err != nil {
			seen.Unchecked = append(seen.Unchecked, fmt.Sprintf("new_flows_per_s: bounds only: %v", err))
		}
	}
	select {
	case <-end.C:
	case <-ctx.Done():
		return Observation{}, ctx.Err()
	}
	if err := o.look(); err != nil {
		return Observation{}, err
	}
	seen.Window = o.at.Sub(first.at)
	seen.Last = o.facts
	seen.Sockets = [2]Sockets{first.sockets, o.sockets}
	seen.Host = ReadHost(o.root)
	return seen, nil
}

// look takes in what the kernel's files say now.
func (o *Observer) look() (err error) {
	o.facts, err = o.reader.Read()
	o.sockets = ReadSockets(o.root, o.port)
	o.at = time.Now()
	return err
}

// prove finds out whether the port is tracked, and why. What cannot be found out is noted.
func (o *Observer) prove() {
	o.unchecked = nil
	var err error
	if o.activity, err = Probe(o.port); err != nil {
		o.activity.Active, o.activity.Evidence = CannotSay, err.Error()
		o.unchecked = append(o.unchecked, "activity: "+err.Error())
	}
	o.proved = time.Now()
	if !o.reader.present {
		return // no rule can track, and asking for rules could load a module
	}
	rules, err := Rules(o.port)
	if err != nil {
		o.unchecked = append(o.unchecked, "rules: "+err.Error())
	}
	activity, unchecked := weigh(o.activity, rules)
	activity, settled := crossCheck(o.port, activity)
	if settled {
		unchecked = nil
	}
	o.activity, o.unchecked = activity, append(o.unchecked, unchecked...)
	if o.activity.Active == Yes && len(o.activity.Rules) == 0 && err == nil {
		o.unchecked = append(o.unchecked, "rules: no nftables rule asks for tracking; legacy iptables, IPVS, Open vSwitch and tc are not looked at")
	}
}
