// Package trial runs trials: it keeps a server and a generator alive in a lab, switches the server's firewall
// between trials, and reads the clocks at both ends of the measured interval.
//
// Restarting either program between trials would be the largest source of noise there is, so nothing is
// restarted: the arms of a run differ in the ruleset and in nothing else.
//
// What is measured is the server that was started, with all its threads and the processes that descend from it: their CPU
// time, and that of its interface's receive thread. These processes are counted anew before each trial. One that comes or
// goes while a trial runs is an error, since its work would be free.
//
// The harness shares the generator's core. It sleeps while a trial runs, in a read of the generator's output, and
// wakes twice: when the generator says that the measured interval begins, and when it says that it has ended. Then it
// reads the clocks; what else there is to do it does before the warm-up and after the result.
package trial
