package trial

import (
	"context"
	"time"

	"supernode/bench/measure"
	"supernode/bench/record"
)

// Rest measures what the server costs for d when nobody asks it anything.
func (r *Rig) Rest(ctx context.Context, t *record.Trial, d time.Duration) error {
	if err := r.meet(); err != nil {
		return err
	}
	t.Start = time.Now().UTC()
	before, err := r.clocks.Snapshot()
	if err != nil {
		return err
	}
	ctx, stop := r.server.during(ctx)
	defer stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
	}
	after, err := r.clocks.Snapshot()
	if err != nil {
		return err
	}
	if err := r.server.checkFamily(); err != nil {
		return err
	}
	delta := after.Sub(before)
	t.Duration = int64(delta.Elapsed)
	t.Server, t.ServerNAPI, t.Client, t.ClientNAPI = delta.ServerNS, delta.ServerNAPINS, delta.ClientNS, delta.ClientNAPINS
	t.CPU = r.cpus(delta)
	return nil
}

// Wakeups is how often the threads of the server's processes have gone to sleep so far.
func (r *Rig) Wakeups() (uint64, error) { return r.server.sum(measure.Wakeups) }
