// Package conntrack finds out what the Linux kernel tracks, and whether that hurts the server of a UDP port.
//
// Facts are read: how many entries the table holds and may hold, how long UDP entries live, what was dropped, what an
// entry takes. Each comes with the place it was read from, and what could not be read is listed as unchecked instead
// of appearing as zero. Activity is proved: Probe sends datagrams through the port and looks for their entries, Rules
// names what asked for tracking. Judge, which is pure, makes a verdict of an Observation.
//
// Fixes, which is pure too, lists the cures with their price and their undo. Cure applies the usual one, to exempt the
// port by a table of our own, and proves that it helped or takes it back; a Hold does it for the life of a process.
// ReadEntries and FlushPort look at the entries of one port, and delete them.
//
// Its opinion: "the module is loaded" says nothing. Hooks register for each network namespace, and only when a rule
// asks for them (net/netfilter/nf_conntrack_proto.c, nf_ct_netns_get), so presence and activity are different facts.
// And "the port is tracked" is no verdict either: what hurts is a table that is full, now or soon.
//
// Units: counts are entries, packets or buckets as the field says; times are time.Duration, read from files that
// give whole seconds.
//
// Scope: everything is read for the network namespace of the calling thread, through /proc/thread-self, since
// /proc/net is the main thread's. A caller that has entered a namespace must have locked its goroutine to its thread.
// Limit and buckets belong to the host and are only shown in a child namespace.
//
// Reading changes nothing, and a probe removes its entries where it may. In particular no netlink question is asked of
// a kernel without connection tracking, because asking would load the module (net/netfilter/nfnetlink.c,
// request_module).
//
// Sources: Documentation/networking/nf_conntrack-sysctl.rst, and ct_cpu_seq_show in
// net/netfilter/nf_conntrack_standalone.c, whose column names changed over the years.
package conntrack
