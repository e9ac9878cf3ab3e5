package measure

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Facts describes the machine a result was measured on. What could not be read is empty.
type Facts struct {
	Kernel        string `json:"kernel"`          // release and build
	CPUModel      string `json:"cpu_model"`       // "model name" of the first processor
	CPUs          int    `json:"cpus"`            // online
	MemoryBytes   uint64 `json:"memory_bytes"`    // MemTotal
	Virtualised   string `json:"virtualised"`     // the sign that says so; "" where there was none
	Governor      string `json:"governor"`        // cpufreq's; "" where there is no cpufreq, as in most VMs
	Mitigations   string `json:"mitigations"`     // "2 mitigated (spectre_v1, …), 1 vulnerable (…), 14 not affected"
	GoVersion     string `json:"go_version"`      // of the harness
	HasHWCounters bool   `json:"has_hw_counters"` // perf can count cycles
}

// Machine reads the facts of this machine.
func Machine() Facts {
	return Facts{
		Kernel:        kernel(),
		CPUModel:      cpuinfo(slurp("/proc/cpuinfo"), "model name"),
		CPUs:          processors(slurp("/proc/stat")),
		MemoryBytes:   memory(slurp("/proc/meminfo")),
		Virtualised:   virtualised(slurp("/proc/cpuinfo"), slurp("/sys/hypervisor/type"), slurp("/sys/class/dmi/id/sys_vendor")),
		Governor:      strings.TrimSpace(string(slurp("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor"))),
		Mitigations:   mitigations("/sys/devices/system/cpu/vulnerabilities"),
		GoVersion:     runtime.Version(),
		HasHWCounters: hasHWCounters(),
	}
}

func slurp(path string) []byte {
	b, _ := os.ReadFile(path) // an absent file is an absent fact
	return b
}

func kernel() string {
	var u unix.Utsname
	if unix.Uname(&u) != nil {
		return ""
	}
	text := func(b []byte) string { return unix.ByteSliceToString(b) }
	return strings.Join([]string{text(u.Sysname[:]), text(u.Release[:]), text(u.Machine[:]), text(u.Version[:])}, " ")
}

// cpuinfo returns the first value of a key in /proc/cpuinfo.
func cpuinfo(b []byte, key string) string {
	for line := range bytes.Lines(b) {
		k, v, ok := bytes.Cut(line, []byte(":"))
		if ok && string(bytes.TrimSpace(k)) == key {
			return string(bytes.TrimSpace(v))
		}
	}
	return ""
}

// processors counts the lines of single processors in /proc/stat, which lists those online. runtime.NumCPU would count
// those this process was allowed when it began.
func processors(stat []byte) int {
	n := 0
	for line := range bytes.Lines(stat) {
		if rest, ok := bytes.CutPrefix(line, []byte("cpu")); ok && rest[0] >= '0' && rest[0] <= '9' {
			n++
		}
	}
	return n
}

func memory(meminfo []byte) uint64 {
	kib, err := kibibytes(meminfo, "MemTotal:")
	if err != nil {
		return 0
	}
	return kib << 10
}

// virtualised collects what says that this is a virtual machine. A hypervisor can hide, so "" proves nothing.
func virtualised(cpuinfoFile, hypervisor, vendor []byte) string {
	var signs []string
	if slices.Contains(strings.Fields(cpuinfo(cpuinfoFile, "flags")), "hypervisor") {
		signs = append(signs, "cpu flag hypervisor")
	}
	if h := strings.TrimSpace(string(hypervisor)); h != "" {
		signs = append(signs, "hypervisor "+h)
	}
	v := strings.TrimSpace(string(vendor))
	for _, known := range []string{"QEMU", "Amazon EC2", "Google", "VMware", "Xen", "innotek", "Microsoft Corporation", "DigitalOcean", "Hetzner", "OpenStack"} {
		if strings.HasPrefix(v, known) && (known != "Microsoft Corporation" || len(signs) > 0) { // Surface computers are real
			signs = append(signs, "vendor "+v)
			break
		}
	}
	return strings.Join(signs, ", ")
}

// mitigations sums up the kernel's list of processor vulnerabilities: those that cost time by name.
func mitigations(dir string) string {
	files, err := os.ReadDir(dir)
	if err != nil {
		return ""
	}
	var mitigated, vulnerable []string
	unaffected := 0
	for _, f := range files {
		text := string(slurp(filepath.Join(dir, f.Name())))
		switch {
		case strings.HasPrefix(text, "Not affected"):
			unaffected++
		case strings.HasPrefix(text, "Mitigation"):
			mitigated = append(mitigated, f.Name())
		case text != "":
			vulnerable = append(vulnerable, f.Name())
		}
	}
	list := func(n []string, what string) string {
		if len(n) == 0 {
			return "0 " + what
		}
		return fmt.Sprintf("%d %s (%s)", len(n), what, strings.Join(n, ", "))
	}
	return list(mitigated, "mitigated") + ", " + list(vulnerable, "vulnerable") + ", " + strconv.Itoa(unaffected) + " not affected"
}

// hasHWCounters tries to count this thread's cycles, which is the only way to know: a VM may list a PMU and not have
// it, and perf_event_paranoid may forbid it.
func hasHWCounters() bool {
	attr := unix.PerfEventAttr{
		Type: unix.PERF_TYPE_HARDWARE, Config: unix.PERF_COUNT_HW_CPU_CYCLES,
		Size: unix.PERF_ATTR_SIZE_VER0, Bits: unix.PerfBitExcludeKernel | unix.PerfBitExcludeHv,
	}
	fd, err := unix.PerfEventOpen(&attr, 0, -1, -1, unix.PERF_FLAG_FD_CLOEXEC)
	if err != nil {
		return false
	}
	unix.Close(fd)
	return true
}
