// Package measure reads the clocks that say who paid for a query: the server's threads, the kernel threads that do each
// side's receive work, the columns of /proc/stat, and the connection-tracking table.
//
// Units: names that end in NS are nanoseconds a processor spent on the task, as the scheduler accounts for it; CPUTime
// is in steps of a clock tick (10 ms); At is the monotonic clock.
//
// # What the numbers are worth
//
// The scheduler's accounting is exact to the nanosecond for what has left the processor. A task that is running at the
// moment of reading is accounted up to its last tick or switch, so each reading may be short by one tick: 4 ms at
// CONFIG_HZ=250, at both ends of an interval alike. Over 1.5 s that is 0.3 % at the very worst and averages out over
// blocks. (kernel/sched/cputime.c, thread_group_cputime.)
//
// /proc/stat is sampled: at each tick the running context is charged the whole tick. It is here as a cross-check and
// for steal, not as a result. With threaded NAPI receive work is a thread's time and appears under system, no longer
// under softirq.
//
// A process is read through its CPU clock (clock_getcpuclockid(3)), one system call, which also keeps the time of
// threads that have ended. Threads adds up schedstat instead, which forgets them; where both are the same, no thread
// has ended.
//
// A Reader shares the generator's core. One snapshot costs about 25 µs on a machine of two processors, most of it the kernel
// formatting its tables, and sleeps nowhere.
//
// Linux only. Sources: Documentation/scheduler/sched-stats.rst, proc_stat(5), proc_pid_status(5).
package measure
