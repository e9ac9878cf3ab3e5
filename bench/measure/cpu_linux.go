package measure

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"time"
)

// userTick is the unit of /proc/stat: USER_HZ is 100 on every architecture Go supports.
const userTick = 10 * time.Millisecond

// CPUTime is what one processor did since boot, or during an interval, as sampled by the kernel at its ticks.
type CPUTime struct {
	User, Nice, System, Idle, IOWait, IRQ, SoftIRQ time.Duration
	Steal                                          time.Duration // the hypervisor ran something else
}

// Sub returns the time from earlier to c. Columns that the kernel lets run backwards (IOWait) become 0, not negative.
func (c CPUTime) Sub(earlier CPUTime) CPUTime {
	d := func(now, then time.Duration) time.Duration { return max(0, now-then) }
	return CPUTime{
		User: d(c.User, earlier.User), Nice: d(c.Nice, earlier.Nice), System: d(c.System, earlier.System),
		Idle: d(c.Idle, earlier.Idle), IOWait: d(c.IOWait, earlier.IOWait), IRQ: d(c.IRQ, earlier.IRQ),
		SoftIRQ: d(c.SoftIRQ, earlier.SoftIRQ), Steal: d(c.Steal, earlier.Steal),
	}
}

// Total is the sum of all columns.
func (c CPUTime) Total() time.Duration {
	return c.User + c.Nice + c.System + c.Idle + c.IOWait + c.IRQ + c.SoftIRQ + c.Steal
}

// Busy is Total without idling, waiting and what was stolen.
func (c CPUTime) Busy() time.Duration { return c.Total() - c.Idle - c.IOWait - c.Steal }

// AllCPUs stands for the sum over all processors.
const AllCPUs = -1

// CPU reads one processor's line of /proc/stat, or that of AllCPUs.
func CPU(cpu int) (CPUTime, error) {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return CPUTime{}, fmt.Errorf("read processor times: %w", err)
	}
	return parseCPU(b, cpu)
}

var newline = []byte{'\n'}

// parseCPU finds the line of one processor, or of all, in /proc/stat. Columns that an old kernel lacks stay 0; guest time is
// already part of user time.
func parseCPU(b []byte, cpu int) (CPUTime, error) {
	var room [32]byte
	key := append(room[:0], "cpu"...)
	if cpu != AllCPUs {
		key = strconv.AppendInt(key, int64(cpu), 10)
	}
	key = append(key, ' ')
	for line, more := []byte(nil), b; len(more) > 0; {
		line, more, _ = bytes.Cut(more, newline)
		rest, ok := bytes.CutPrefix(line, key)
		if !ok {
			continue
		}
		var c CPUTime
		columns := [...]*time.Duration{&c.User, &c.Nice, &c.System, &c.Idle, &c.IOWait, &c.IRQ, &c.SoftIRQ, &c.Steal}
		n := 0
		for f := range bytes.FieldsSeq(rest) {
			if n == len(columns) {
				break
			}
			v, err := strconv.ParseUint(string(f), 10, 64)
			if err != nil || v > uint64(1<<63-1)/uint64(userTick) {
				return CPUTime{}, fmt.Errorf("parse /proc/stat: processor %d: %.32q is not a number of ticks", cpu, f)
			}
			*columns[n] = time.Duration(v) * userTick
			n++
		}
		if n < 4 {
			return CPUTime{}, fmt.Errorf("parse /proc/stat: processor %d has %d columns, want 4 or more", cpu, n)
		}
		return c, nil
	}
	return CPUTime{}, fmt.Errorf("parse /proc/stat: no processor %d; is it offline?", cpu)
}
