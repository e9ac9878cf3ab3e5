package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"supernode/bench/generators"
	"supernode/bench/lab"
	"supernode/bench/measure"
	"supernode/bench/record"
)

// duel is one run of "bench generators".
type duel struct {
	spec     generators.Spec
	named    bool     // the generators were asked for by name
	missing  []string // generators that are not installed
	notes    []string // what else is to be told with the result
	dir      string   // of the records
	progress *progress

	loadgen, null, dnsperf string // paths of the programs

	lab     *lab.Lab
	input   string // of dnsperf
	targets map[generators.Measure]*nullTarget
}

// nullTarget is a null server, and the clocks of everything on its side and of the generator's interface.
type nullTarget struct {
	port   uint16
	cmd    *exec.Cmd
	clocks *measure.Reader
}

// conduct builds the lab, makes the trials and leaves their records in the run's directory. However it ends, the lab is
// taken down, and with it the servers.
func (d *duel) conduct(ctx context.Context) (err error) {
	defer d.progress.clear()
	slots := d.spec.Slots()
	d.progress.say("%s in %s, about %v; the machine should have nothing else to do", count(len(slots), "trial"),
		count(d.spec.Blocks, "block"), d.spec.Estimate().Round(time.Second))
	for _, name := range d.missing {
		d.progress.say("%s is not installed and left out; make install-peers has it", name)
	}
	scratch, err := os.MkdirTemp("", "bench-generators-")
	if err != nil {
		return fmt.Errorf("make directory for input: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(scratch)) }()
	d.input = filepath.Join(scratch, "queries")
	if err := os.WriteFile(d.input, []byte(generators.DnsperfInput), 0o644); err != nil {
		return fmt.Errorf("write input of dnsperf: %w", err)
	}
	d.progress.say("building the lab")
	if d.lab, err = buildLab(ctx, lab.Default()); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.lab.Close()) }()
	d.targets = map[generators.Measure]*nullTarget{}
	defer d.dismiss()
	for i, t := range []struct {
		measure generators.Measure
		payload string
	}{{generators.Sends, "none"}, {generators.Answers, "dns"}} {
		if err := d.station(t.measure, t.payload, lab.ServerPort+uint16(i)); err != nil {
			return err
		}
	}
	d.targets[generators.Loads] = d.targets[generators.Answers]
	if err := d.awaitAnswer(ctx); err != nil {
		return err
	}
	if err := d.noteResponder(ctx); err != nil {
		return err
	}
	if err := d.tryXDP(ctx); err != nil {
		return err
	}
	return d.record(ctx, d.spec.Slots())
}

// station starts a null server. The one that answers does so in the link's driver where that can be had, of which a link has one,
// or else by a packet socket, which costs half of another: so it limits nobody, or less.
func (d *duel) station(m generators.Measure, payload string, port uint16) error {
	spec := d.lab.Spec()
	addr := netip.AddrPortFrom(spec.ServerAddr4.Addr(), port)
	cmd := exec.Command(d.null, "--payload", payload, "--packet-to", spec.ClientAddr4.Addr().String())
	if m == generators.Answers {
		cmd.Args = append(cmd.Args, "--xdp")
	}
	cmd.Args = append(cmd.Args, addr.String())
	cmd.Stderr = os.Stderr
	if err := d.lab.Start(lab.Server, spec.ServerCPU, cmd); err != nil {
		return err
	}
	t := &nullTarget{port: port, cmd: cmd}
	d.targets[m] = t
	var err error
	t.clocks, err = measure.Open(measure.Target{
		ServerPID: cmd.Process.Pid, ServerNAPI: d.lab.NAPI(lab.Server), ClientNAPI: d.lab.NAPI(lab.Client),
		ServerCPU: spec.ServerCPU, ClientCPU: spec.ClientCPU,
	})
	return err
}

// dismiss ends the servers.
func (d *duel) dismiss() {
	for _, m := range []generators.Measure{generators.Answers, generators.Sends} {
		t := d.targets[m]
		if t == nil {
			continue
		}
		if t.clocks != nil {
			_ = t.clocks.Close()
		}
		_ = t.cmd.Process.Kill() // it keeps nothing that would be lost
		_ = t.cmd.Wait()
	}
}

// awaitAnswer asks a little until it is answered.
func (d *duel) awaitAnswer(ctx context.Context) error {
	spec := d.spec
	spec.Duration, spec.Window = 100*time.Millisecond, 1
	for give := time.Now().Add(readyTimeout); ; {
		t, err := d.trial(ctx, spec, generators.Slot{Generator: generators.Mmsg, Measure: generators.Answers})
		if err != nil || t.Answered > 0 {
			return err
		}
		if time.Now().After(give) {
			return fmt.Errorf("%s has not answered for %v: %s", d.null, readyTimeout, t.Problem)
		}
	}
}

// noteResponder says who answers: with a process that does, the limit is another. It asks once the server has started.
func (d *duel) noteResponder(ctx context.Context) error {
	spec := d.spec
	spec.Duration = 100 * time.Millisecond
	t, err := d.trial(ctx, spec, generators.Slot{Generator: generators.Mmsg, Measure: generators.Answers})
	if err != nil {
		return err
	}
	const cheapest = 300 // ns of a process for an answer: half of what batches of system calls take
	if t.Server < cheapest*int64(t.Answered) {
		d.notes = append(d.notes, "the server that answers does so in its link's driver (XDP)")
		return nil
	}
	d.notes = append(d.notes, "the server that answers does so by sockets, as there is no XDP to be had: it may be the limit")
	return nil
}

// tryXDP leaves loadgen's --io xdp out where it cannot be had, unless it was asked for by name: it takes more of a kernel than
// the others.
func (d *duel) tryXDP(ctx context.Context) error {
	if d.named || !slices.Contains(d.spec.Names, generators.XDP) {
		return nil
	}
	var problem string
	for range 2 { // once may be an accident
		t, err := d.trial(ctx, d.spec, generators.Slot{Generator: generators.XDP, Measure: generators.Answers})
		if err != nil || t.Problem == "" {
			return err
		}
		problem = t.Problem
	}
	d.notes = append(d.notes, "loadgen --io xdp is left out: "+problem)
	d.progress.warn(d.notes)
	d.spec = d.spec.Without(generators.XDP)
	d.progress.begin("block", d.spec.Blocks, len(d.spec.Slots()), d.spec.Estimate(), 0)
	return nil
}

// record makes the trials and writes them down. Records without a trial are good for nothing, and would be in the way of
// the next attempt.
func (d *duel) record(ctx context.Context, slots []generators.Slot) (err error) {
	if err := os.MkdirAll(d.dir, 0o755); err != nil {
		return fmt.Errorf("create directory for records: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(d.dir, generators.FileName), os.O_WRONLY|os.O_CREATE|os.O_EXCL|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("create records: %w", err)
	}
	var w *generators.Writer
	defer func() {
		err = errors.Join(err, file.Close())
		switch {
		case w == nil || w.Trials == 0:
			err = errors.Join(err, os.Remove(file.Name()))
		case err != nil:
			d.progress.say("%s are recorded; for what they say: bench report %s", count(w.Trials, "trial"), d.dir)
		}
	}()
	if w, err = generators.NewWriter(file, d.header(ctx)); err != nil {
		return err
	}
	for _, slot := range slots {
		d.progress.step(slot.Block, slot.First, fmt.Sprintf("%s of %s", slot.Measure, slot.Generator))
		t, err := d.trial(ctx, d.spec, slot)
		if err != nil {
			return fmt.Errorf("%s of %s in block %d: %w", slot.Measure, slot.Generator, slot.Block+1, err)
		}
		if err := w.Trial(t); err != nil {
			return err
		}
	}
	return nil
}

func (d *duel) header(ctx context.Context) generators.Header {
	h := generators.Header{
		Started: time.Now().UTC(), Command: os.Args, Spec: d.spec, Missing: d.missing, Machine: machine(d.lab), Notes: slices.Concat(d.lab.Warnings(), d.notes),
		Versions: map[string]string{"bench": version, "loadgen": versionOf(ctx, d.loadgen)},
	}
	if d.dnsperf != "" {
		h.Versions["dnsperf"] = dnsperfVersion(ctx, d.dnsperf)
	}
	return h
}

// dnsperfVersion is what dnsperf says of itself in its help.
func dnsperfVersion(ctx context.Context, program string) string {
	out, _ := exec.CommandContext(ctx, program, "-h").CombinedOutput() // an exit status other than 0, in some versions
	if _, rest, ok := bytes.Cut(out, []byte("Version ")); ok {
		number, _, _ := bytes.Cut(rest, []byte("\n"))
		return string(bytes.TrimSpace(number))
	}
	return "unknown"
}

// trial runs one generator to its end. An error is the end of the run; what a generator gets wrong is told in the trial.
func (d *duel) trial(ctx context.Context, spec generators.Spec, slot generators.Slot) (t generators.Trial, err error) {
	target := d.targets[slot.Measure]
	t = generators.Trial{Generator: slot.Generator, Measure: slot.Measure, Block: slot.Block, Start: time.Now().UTC()}
	losses, err := d.lab.Losses(lab.Server)
	if err != nil {
		return t, err
	}
	before, err := target.clocks.Snapshot()
	if err != nil {
		return t, err
	}
	said, spent, ended := d.generate(ctx, spec, slot, target.port)
	if ctx.Err() != nil {
		return t, ctx.Err()
	}
	after, err := target.clocks.Snapshot()
	if err != nil {
		return t, fmt.Errorf("%w: has the null server ended?", err)
	}
	now, err := d.lab.Losses(lab.Server)
	if err != nil {
		return t, err
	}
	delta := after.Sub(before)
	t.Elapsed, t.GeneratorNS, t.GeneratorNAPI = int64(delta.Elapsed), int64(spent), delta.ClientNAPINS
	t.Server, t.ServerNAPI = delta.ServerNS, delta.ServerNAPINS
	t.RingLosses = now.Sub(losses).Ring
	t.CPU = []record.CPU{coreTime(d.lab.Spec().ServerCPU, delta.ServerCPU), coreTime(d.lab.Spec().ClientCPU, delta.ClientCPU)}
	t.Said = said
	switch counts, err := generators.Parse(slot.Generator, said); {
	case ended != nil:
		t.Problem = ended.Error()
	case err != nil:
		t.Problem = err.Error()
	case delta.ServerNAPINS <= 0:
		t.Problem = measure.ErrNAPIIdle.Error()
	default:
		t.Counts = counts
	}
	return t, nil
}

// generate runs the program on the client's core, and returns what it said and how long it was on the core.
func (d *duel) generate(ctx context.Context, spec generators.Spec, slot generators.Slot, port uint16) (said string, spent time.Duration, err error) {
	where := d.lab.Spec()
	program := d.loadgen
	if slot.Generator == generators.Dnsperf {
		program = d.dnsperf
	}
	cmd := exec.CommandContext(ctx, program, spec.Args(slot, generators.Aim{
		Address: where.ServerAddr4.Addr().String(), Port: strconv.Itoa(int(port)), Sources: where.Sources4.String(), Input: d.input,
	})...)
	var out, complaint bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &complaint
	if err := d.lab.Start(lab.Client, where.ClientCPU, cmd); err != nil {
		return "", 0, err
	}
	err = cmd.Wait()
	spent = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	const nobodyAnswered = 1 // exit status of loadgen
	if slot.Measure != generators.Answers && slot.Generator != generators.Dnsperf && cmd.ProcessState.ExitCode() == nobodyAnswered {
		err = nil // as it should be, or, under such a load, may be
	}
	if err != nil {
		return out.String(), spent, fmt.Errorf("%w: %.300s", err, bytes.TrimSpace(complaint.Bytes()))
	}
	return out.String(), spent, nil
}

// coreTime is how a core spent a trial.
func coreTime(id int, c measure.CPUTime) record.CPU {
	return record.CPU{ID: id, User: int64(c.User + c.Nice), System: int64(c.System), SoftIRQ: int64(c.SoftIRQ),
		IRQ: int64(c.IRQ), Idle: int64(c.Idle + c.IOWait), Steal: int64(c.Steal)}
}
