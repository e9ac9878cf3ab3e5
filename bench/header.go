package main

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"runtime"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"supernode/bench/lab"
	"supernode/bench/measure"
	"supernode/bench/peers"
	"supernode/bench/record"
	"supernode/internal/conntrack"
)

// header describes a run before its first trial.
func (r *experiment) header(ctx context.Context, l *lab.Lab) record.Header {
	h := record.Header{
		Started: time.Now().UTC(),
		Command: os.Args,
		Versions: map[string]string{
			"bench":   version,
			"server":  r.setup.Server,
			"loadgen": versionOf(ctx, r.loadgen),
		},
		Payload: r.setup.Payload,
		ReplyAt: r.setup.ReplyAt,
		Plan:    r.plan.Spec,
		Machine: machine(l),
		Notes:   append(notes(l), r.notes...),

		Unprivileged: lab.InUserNamespace(),
	}
	if r.supernode != "" {
		h.Versions["supernode"] = versionOf(ctx, r.supernode)
	}
	return h
}

// header describes a comparison before its first trial.
func (c *comparison) header(ctx context.Context) peers.Header {
	h := peers.Header{
		Started: time.Now().UTC(), Command: os.Args, Spec: c.spec, Servers: c.servers, Missing: c.missing,
		Versions: map[string]string{"bench": version, "loadgen": versionOf(ctx, c.loadgen)},
		Machine:  machine(c.lab), Notes: notes(c.lab),
	}
	for _, s := range c.servers {
		if s.Name == peers.Subject {
			h.Versions[s.Name] = versionOf(ctx, s.Program())
		}
	}
	for _, slot := range c.slots {
		h.Trials += len(slot.Measures())
	}
	return h
}

// versionOf asks a program of ours what it is. One that does not say is no reason not to measure.
func versionOf(ctx context.Context, program string) string {
	out, err := exec.CommandContext(ctx, program, "--version").Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func machine(l *lab.Lab) record.Machine {
	m, spec := thisMachine(), l.Spec()
	m.ServerCPU, m.ClientCPU, m.NAPIPinned = spec.ServerCPU, spec.ClientCPU, l.Pinned()
	if tracked, err := l.Conntrack(); err == nil {
		m.ConntrackLimit, m.ConntrackBuckets = tracked.Limit, tracked.Buckets
	}
	return m
}

// thisMachine is what is known of this machine without a lab.
func thisMachine() record.Machine {
	facts := measure.Machine()
	m := record.Machine{
		OS: osName(), Kernel: release(), Arch: runtime.GOARCH, CPU: facts.CPUModel, CPUs: facts.CPUs,
		Hypervisor: facts.Virtualised, Memory: facts.MemoryBytes, ConntrackEntry: entryBytes(),
	}
	if tracked, err := conntrack.Read(); err == nil {
		m.ConntrackLimit, m.ConntrackBuckets = tracked.Limit, tracked.Buckets
	}
	return m
}

// osName is the distribution's name for itself (os-release(5)), or the bare system's.
func osName() string {
	text, err := os.ReadFile("/etc/os-release")
	if err == nil {
		for line := range strings.Lines(string(text)) {
			if name, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
				return strings.Trim(strings.TrimSpace(name), `"`)
			}
		}
	}
	return runtime.GOOS
}

// release is what uname -r prints.
func release() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	return unix.ByteSliceToString(u.Release[:])
}

// entryBytes is the memory that the kernel sets aside for one connection, the objsize column of /proc/slabinfo
// (slabinfo(5)), or 0 where that cannot be read.
func entryBytes() uint64 {
	text, err := os.ReadFile("/proc/slabinfo")
	if err != nil {
		return 0
	}
	for line := range bytes.Lines(text) {
		if fields := strings.Fields(string(line)); len(fields) > 3 && fields[0] == "nf_conntrack" {
			size, _ := strconv.ParseUint(fields[3], 10, 64)
			return size
		}
	}
	return 0
}
