// Package gates takes the figures of a server that are compared hard and need it to run: system calls a datagram and the
// filling of its batches at an a closed loop's load, and connection tracking entries a flow. Sizes of files are here too.
//
// They are no timings, but for one thing: how many datagrams wait when the server looks depends on when it gets to look.
// So calls and batches under load have a wide tolerance ([Tolerance]); what a turn of the server costs in calls when so
// and so many datagrams wait is compared exactly, by a benchmark in lockstep.
package gates

// Tolerance is by how much, as a share, figures under load may be worse than base's: what an idle machine and a busy one
// differ by at the same load. A server that has lost its batching is worse by several times that.
const Tolerance = 0.5

// LeastFill is how many datagrams base's batches must hold under load, on average, for the figures to say anything of
// batching.
const LeastFill = 2.0
