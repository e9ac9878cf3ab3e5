// Package lab describes a network of two namespaces and realises it. Describe, then realise: Spec is plain data, Lab
// owns the kernel's resources and gives all of them back.
//
//	 namespace "server"                                    namespace "client"
//	+----------------------------------+                  +-----------------------------------------+
//	|  server under test               |                  |  load generator                         |
//	|   0.0.0.0:6881  [::]:6881        |                  |   binds any address of the AnyIP ranges |
//	|                                  |                  |                                         |
//	|  nftables: one table, 4 rules    |                  |  no rules: never tracks                 |
//	|                                  |                  |                                         |
//	|  lo  svX 10.18.0.1/30 -----------+------ veth ------+---- clX 10.18.0.2/30    lo              |
//	|          fd00:18::1/64           |                  |         fd00:18::2/64    198.18.0.0/15  |
//	|  thread napi/svX-N               |                  |  thread napi/clX-N       fd00:18:1::/64 |
//	+----------------------------------+                  +-----------------------------------------+
//	        server's core                                        client's core
//	198.18.0.0/15 via 10.18.0.2                            local 198.18.0.0/15 dev lo   (AnyIP)
//	fd00:18:1::/64 via fd00:18::2                          local fd00:18:1::/64 dev lo
//
// The link's addresses are private addresses (RFC 1918) outside the AnyIP range (RFC 2544), so that the client
// owns the whole range: 131,072 addresses, any of which it may bind or name with IP_PKTINFO on one socket.
//
// # Who pays for a packet
//
// On a plain veth the sender's core does the receiver's work: the client would pay for the server's firewall, and the
// server for the client's. Both ends therefore run threaded NAPI (net/core/dev.c, napi_threaded_poll): a kernel thread
// of each device does its receive work, is pinned to that side's core, and is accounted for by the scheduler. Three
// settings must meet, or the thread sleeps and reads 0 while the work is done elsewhere: GRO on at the receiver, TSO
// off at the sender (drivers/net/veth.c, veth_skb_is_eligible_for_gro), and /sys/class/net/DEV/threaded. Up sets them
// on both ends; package measure refuses a reading of 0.
//
// # What is lost where
//
// A veth hands packets to the receiver's thread through a ring of 256 (VETH_RING_SIZE, fixed). A burst that finds the
// ring full is dropped before the receiver's stack has seen it, as by a network card with a short ring. There is no
// queueing discipline in front of it on purpose: since Linux 6.16 one would hold the sender back, and an open-loop
// generator must never be held back by the server it measures. Losses tells these drops from those of a full socket
// buffer. net.core.netdev_max_backlog is host-wide, plays no part with threaded NAPI, and is left alone.
//
// # Two at once
//
// Labs share the machine's cores without harm to each other but to their figures. Up locks its cores, and Lab.Shared
// names the process that had done so before.
//
// # Nothing else is touched
//
// No setting outside the two namespaces is changed; what rules need may make the kernel load its modules. The
// namespaces are named under /run/netns after their owner's process id and start time, so that after a SIGKILL the
// next Up, or Clean, can tell a dead owner's from a live one's. The owner's processes die with it (PR_SET_PDEATHSIG).
// Owners in another process-id namespace that share /run/netns look dead: do not share it.
//
// Needs Linux 5.12 (threaded NAPI) and root, or the root of a user namespace with a mount namespace of its own; there
// kernel threads cannot be pinned, which Lab.Warnings says.
package lab
