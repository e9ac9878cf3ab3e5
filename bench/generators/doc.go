// Package generators compares load generators: how many queries each sends, and gets answered, on one core. It holds what
// works from records, without root: the plan of a run, its records, and what they say.
//
// The words: a generator is a program with its settings. A query is one DNS query over UDP, the one kind that all of them
// speak. A measure is one question to a generator; a trial asks it once; a block asks everything once, in random order.
//
// # What is fair
//
// The generator has one core of the lab to itself, with the receive work of its interface, which is charged to it: time on
// the core is the generator's process from its start to its end, what it takes to get going included, and its interface's
// kernel thread. The other core has the
// null server, which only sends datagrams back. It can still be the limit, as an answer costs it about what it costs the
// fastest generator. So the figure to compare is not answers a second, which that caps, but answers a second of the
// generator's own time on its core; and a trial in which the server's core was the busier one is marked. What a generator
// sends at most is measured against a server that answers nothing. Of what is sent, only that counts which found room in the
// ring of the server's interface.
//
// dnsperf (https://www.dns-oarc.net/tools/dnsperf) keeps a number of queries outstanding, and cannot send more than is
// answered. That is the most load that it can put on a server, so where loadgen's is measured it does the same once more,
// for its row and no ratio: only the closed loop is the same question to both. Where nothing is answered it cannot take part. It has one socket, which is best for it, while loadgen speaks for as many
// hosts as it is told to.
package generators
