package main

import (
	"net/netip"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"supernode/bench/lab"
	"supernode/bench/measure"
	"supernode/bench/plan"
	"supernode/bench/record"
)

// header describes a run before it begins.
func header(l *lab.Lab, spec plan.Spec, serverCmd string, programs programs) record.Header {
	return record.Header{
		Started: time.Now().UTC(),
		Command: os.Args,
		Versions: map[string]string{
			"bench":   version,
			"server":  serverCmd,
			"loadgen": versionOf(programs.loadgen, "--version"),
		},
		Plan:    spec,
		Machine: machine(l),
		Notes:   l.Warnings(),
	}
}

// versionOf asks a program what it is. One that does not say is no reason not to measure.
func versionOf(program string, args ...string) string {
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		return "unknown"
	}
	return strings.TrimSpace(string(out))
}

func machine(l *lab.Lab) record.Machine {
	facts, spec := measure.Machine(), l.Spec()
	m := record.Machine{
		OS: osName(), Kernel: facts.Kernel, Arch: runtime.GOARCH, CPU: facts.CPUModel, CPUs: facts.CPUs,
		Hypervisor: facts.Virtualised, Memory: facts.MemoryBytes,
		ServerCPU: spec.ServerCPU, ClientCPU: spec.ClientCPU, NAPIPinned: spec.PinNAPI,
	}
	if tracked, err := l.Conntrack(); err == nil {
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

func endpoint(l *lab.Lab, port uint16) netip.AddrPort {
	return netip.AddrPortFrom(l.ServerEndpoint().Addr(), port)
}
