package measure

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Throttling reads what makes processors slower than they are: CPU quotas of control groups (cgroups(7), cpu.stat), heat
// (x86: Documentation/arch/x86/x86_64/machinecheck.rst and drivers/thermal/intel/therm_throt.c) and the frequency that
// the clock runs at (Documentation/admin-guide/pm/cpufreq.rst). Few machines tell of all three.
type Throttling struct {
	quotas []string // cpu.stat of this process's control group and of those it is in
	heat   []string // throttle counters of the processors
	clock  string   // frequency of the server's processor
}

// OpenThrottling looks for what the machine tells, for the two processors that are used.
func OpenThrottling(serverCPU, clientCPU int) *Throttling {
	return openThrottling("/", serverCPU, clientCPU)
}

func openThrottling(root string, serverCPU, clientCPU int) *Throttling {
	cpu := func(n int, file string) string {
		return filepath.Join(root, "sys/devices/system/cpu", "cpu"+strconv.Itoa(n), file)
	}
	t := &Throttling{quotas: quotaFiles(root)}
	for _, n := range []int{serverCPU, clientCPU} {
		found, _ := filepath.Glob(cpu(n, "thermal_throttle/*_throttle_count"))
		t.heat = append(t.heat, found...)
	}
	if file := cpu(serverCPU, "cpufreq/scaling_cur_freq"); number(file) > 0 {
		t.clock = file
	}
	return t
}

// quotaFiles finds the cpu.stat of this process's control group, and of all those above it, that count throttling: in the
// hierarchy of version 1 that has the controller cpu, and in that of version 2.
func quotaFiles(root string) (files []string) {
	mounts, groups := slurp(filepath.Join(root, "proc/self/mountinfo")), slurp(filepath.Join(root, "proc/self/cgroup"))
	for line := range bytes.Lines(groups) {
		// hierarchy:controllers:path (cgroups(7))
		fields := strings.SplitN(strings.TrimSpace(string(line)), ":", 3)
		if len(fields) != 3 || fields[1] != "" && !hasWord(fields[1], "cpu") {
			continue
		}
		top, below, ok := cgroupMount(mounts, fields[1] == "", fields[2])
		if !ok {
			continue
		}
		for dir := filepath.Join("/", below); ; dir = filepath.Dir(dir) {
			file := filepath.Join(root, top, dir, "cpu.stat")
			if bytes.Contains(slurp(file), []byte("nr_throttled")) { // the topmost group of version 2 has no quota
				files = append(files, file)
			}
			if dir == "/" {
				break
			}
		}
	}
	return files
}

// cgroupMount finds where a hierarchy is mounted, and what path has below there (proc_pid_mountinfo(5)).
func cgroupMount(mounts []byte, unified bool, path string) (top, below string, ok bool) {
	for line := range bytes.Lines(mounts) {
		before, after, found := strings.Cut(strings.TrimSpace(string(line)), " - ")
		place, kind := strings.Fields(before), strings.Fields(after)
		if !found || len(place) < 5 || len(kind) < 3 {
			continue
		}
		if unified && kind[0] == "cgroup2" || !unified && kind[0] == "cgroup" && hasWord(kind[2], "cpu") {
			below, inside := strings.CutPrefix(path, place[3])
			if !inside { // a container may see its own group as the top
				below = "/"
			}
			return place[4], below, true
		}
	}
	return "", "", false
}

func hasWord(list, word string) bool {
	for w := range strings.SplitSeq(list, ",") {
		if w == word {
			return true
		}
	}
	return false
}

// Unread names what the machine does not tell.
func (t *Throttling) Unread() (what []string) {
	if len(t.quotas) == 0 {
		what = append(what, "CPU quotas of control groups")
	}
	if len(t.heat) == 0 {
		what = append(what, "slow-downs from heat")
	}
	if t.clock == "" {
		what = append(what, "the clock frequency")
	}
	return what
}

// Slowed is how often the processors were held back since the machine was started.
type Slowed struct {
	Periods uint64 // of a quota, in which it was used up
	Thermal uint64 // slow-downs from heat
}

// Read reads the counters.
func (t *Throttling) Read() (s Slowed, err error) {
	for _, file := range t.quotas {
		n, err := throttledPeriods(slurp(file))
		if err != nil {
			return s, fmt.Errorf("parse %s: %w", file, err)
		}
		s.Periods += n
	}
	for _, file := range t.heat {
		s.Thermal += number(file)
	}
	return s, nil
}

// Sub returns what was counted since earlier.
func (s Slowed) Sub(earlier Slowed) Slowed {
	return Slowed{Periods: s.Periods - earlier.Periods, Thermal: s.Thermal - earlier.Thermal}
}

// KHz is the frequency that the server's processor runs at now, 0 if the machine does not tell.
func (t *Throttling) KHz() uint64 {
	if t.clock == "" {
		return 0
	}
	return number(t.clock)
}

func throttledPeriods(stat []byte) (uint64, error) {
	for line := range bytes.Lines(stat) {
		if value, ok := bytes.CutPrefix(line, []byte("nr_throttled ")); ok {
			return strconv.ParseUint(string(bytes.TrimSpace(value)), 10, 64)
		}
	}
	return 0, errors.New("no line nr_throttled")
}

// number reads a file that holds one, 0 if it does not.
func number(file string) uint64 {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0
	}
	n, _ := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 64)
	return n
}
