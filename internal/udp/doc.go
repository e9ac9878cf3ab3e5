// Package udp moves datagrams in batches for one thread over one or more bound sockets.
//
// The words: a datagram is one UDP payload with its addresses. A batch is the datagrams that one system
// call moves: an Inbox holds one that was received, all from one socket; an Outbox one to be sent. A
// socket is known by its number, its place in the list of addresses it was opened for. A Transport is
// all the sockets of one thread.
//
// The opinion: a UDP server that answers small queries spends its time in the kernel, and what it can
// save itself is entries into the kernel, allocation, copies, and hand-overs between threads. So one
// goroutine, locked to its thread, receives a batch, answers into the same slots each time, and sends
// a batch; Go's network poller knows of the sockets only while nothing comes for long; nothing is
// allocated after construction; and no lock is taken on the way. Waiting is for an empty socket only: a
// batch is whatever is there, so batching adds no latency.
//
// A datagram can fail to leave for reasons of its own, and the rest of a batch must not suffer for it:
// Send returns no error, skips what the kernel refuses, and counts it by reason. Likewise an answer must
// leave from the address that was asked, or the asker and every NAT on the way will drop it: on
// wildcard sockets each datagram carries the address it was sent to.
//
// The backends: OpenMmsg, for Linux (recvmmsg(2), sendmmsg(2), ppoll(2)), and OpenNet, for every system
// with BSD sockets or Winsock, one system call a datagram and one more copy. OpenMmsgGroup is OpenMmsg for
// several threads that share addresses, each with sockets of its own. OpenPacket is OpenMmsg for whoever loads one target:
// it receives alike, and sends frames of its own past the kernel's UDP and IP, to one next hop (Hop). OpenXDP sends as that does,
// and receives the target's answers past the kernel's UDP and IP as well.
//
// The limits. Datagrams longer than a slot, MaxDatagram but for NewLongInbox, are dropped. UDP_GRO and UDP_SEGMENT stay off: a node's
// peers are many and send one datagram each, so there is nothing to coalesce. IPv6 sockets take IPv6
// only (IPV6_V6ONLY): listen on both wildcards to serve both, so that no address is ever mapped. ICMP
// errors about what was sent are not asked for (IP_RECVERR). Fragments may be sent where the path's MTU
// asks for them. For the bounds of what the kernel copies see include/uapi/linux/socket.h, in.h, in6.h
// and net/socket.c.
package udp
