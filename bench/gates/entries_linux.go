package gates

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"supernode/bench/lab"
	"supernode/bench/plan"
	"supernode/bench/trial"
)

// trackedFlows is how many flows ask something, each once.
const trackedFlows = 200

// EntriesSlack is by how many entries a flow two revisions may differ: one of the lab's own, by which it proves that
// tracking is active, and a node's own query or two.
const EntriesSlack = 0.02

// Entries counts how many connection tracking entries a server's flows leave, each, in the arms that a lab may have:
// 1 where tracking is on, 0 where it is off or the port is exempted. It needs root.
func Entries(ctx context.Context, supernode, loadgen string) (perFlow map[plan.Arm]float64, err error) {
	l, err := lab.Up(ctx, lab.Default())
	if err != nil {
		return nil, fmt.Errorf("build lab: %w", err)
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	flags, _ := Accepted(ctx, supernode, "--listen={addr}", "--bootstrap=none", "--state-dir=none", "--http=none", "--allow-private",
		"--rate-limit=off", "--conntrack=ignore", "--log-level=warn")
	rig, err := trial.Assemble(ctx, l, trial.Setup{
		Server: supernode + " run " + strings.Join(flags, " "), Addr: l.ServerEndpoint(), Generator: loadgen, Flows: trackedFlows, Ready: startTimeout,
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, rig.Close()) }()
	perFlow = map[plan.Arm]float64{}
	for _, arm := range []plan.Arm{plan.Off, plan.On, plan.Notrack} {
		const rate = 1000
		load := trial.Load{Rate: rate, DurationS: float64(trackedFlows) / rate, Flows: trackedFlows, Walk: true, Mix: "get_peers=1", Seed: 1}
		n, err := entries(ctx, l, rig, arm, load)
		if err != nil {
			return nil, err
		}
		perFlow[arm] = float64(n) / trackedFlows
	}
	return perFlow, nil
}

// ErrTooBusy is the error of a machine on which no trial had all its queries answered: what is missing then would be
// missing from the count.
var ErrTooBusy = errors.New("this machine is too busy for a server to answer a thousand queries a second")

// entries is what is there after a trial in which each flow asked and was answered. A machine that is busy gets a few.
func entries(ctx context.Context, l *lab.Lab, rig *trial.Rig, arm plan.Arm, load trial.Load) (n uint64, err error) {
	for deadline := time.Now().Add(startTimeout); time.Now().Before(deadline); {
		slot := plan.Slot{Cell: plan.Cell{Arm: arm, Flows: plan.Few, Measure: plan.Fixed}}
		t, err := rig.Run(ctx, slot, load)
		if err != nil {
			return 0, err
		}
		if t.Load.Answered < trackedFlows {
			continue
		}
		table, err := l.Conntrack() // the trial's own count is of the end of its interval, and some answers came later
		if err != nil {
			return 0, err
		}
		return table.Count, nil
	}
	return 0, ErrTooBusy
}
