// Package sim lets many DHT nodes live on one network that exists only in memory, on a clock that jumps from event
// to event. The nodes are the real ones of package dht, byte for byte; what is simulated is what lies between
// them: delay, loss, hosts that die, and NATs that let nobody in who was not spoken to first.
//
// The network of package dht's nodes alone is not the one they live in. That consists of ordinary clients, with
// tables that are fine near their own ids and coarse elsewhere; [Client] models one. [Study] is the experiment with
// thousands of them that come, announce, search and leave, with and without one of ours among them.
//
// A run is a function of its seed: the same seed gives the same datagrams in the same order, so that a
// failure can be looked at again; [Network.Trace] is their fingerprint. There are no goroutines and there is no real
// time in it: half an hour of two thousand clients takes seconds.
//
// What it is good for are claims about the whole: that tables fill from one bootstrap node, that the dead are
// forgotten in time, that pings are spread evenly, that what was announced is found. What it cannot tell is how fast
// anything is.
//
// Units: a host is an address with a node or a client behind it; a datagram is what one sends another; times are
// [dht.Instant], which start at zero.
package sim
