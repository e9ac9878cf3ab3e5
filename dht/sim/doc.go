// Package sim lets many DHT nodes live on one network that exists only in memory, on a clock that jumps from event
// to event. The nodes are the real ones of package dht, byte for byte; what is simulated is what lies between
// them: delay, loss, hosts that die, and NATs that let nobody in who was not spoken to first.
//
// A run is a function of its seed: the same seed gives the same datagrams in the same order, so that a
// failure can be looked at again. There are no goroutines and there is no real time in it: half an hour of five
// hundred nodes takes seconds.
//
// What it is good for are claims about the whole: that tables fill from one bootstrap node, that the dead are
// forgotten in time, that pings are spread evenly. What it cannot tell is how fast anything is.
//
// Units: a host is an address with a node behind it; a datagram is what one node sends another; times are
// [dht.Instant], which start at zero.
package sim
