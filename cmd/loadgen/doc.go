// Command loadgen asks a DHT node questions over UDP, at a rate that does not depend on how fast the answers
// come, and says what became of each.
//
// The words, once:
//
//   - A query is one KRPC datagram to the target; its answer is the response or error with the same
//     transaction id, on the same flow.
//   - A flow is one (source address, source port): to the target a host, to connection tracking an entry.
//     Each flow has a node id of its own, and answers what the target asks it, so that it becomes a node
//     like any other.
//   - A query is due at start + k/rate, the k-th one, whatever happened before. Its latency runs from there
//     and not from when the generator got round to sending it, so that a stall, on either side, is
//     charged to all the queries that it held up (no "coordinated omission").
//   - Slip is how much later than due the kernel took a query. Queries that fall due within one quantum
//     (50 µs) go out together; beyond that, slip says that the generator was late and by how much.
//   - A trial is a warm-up, a measured interval and a grace period. Its cohort is the queries sent within
//     the measured interval; each is answered, or lost, by the end of the grace period.
//   - A round takes each flow, and each info_hash, once (--walk): to fill a node with all of them.
//   - A payload is what is sent. That of other protocols than the DHT's (--payload) is one datagram with a number
//     in it; its trials, flows and schedule are the same, and what is said of KRPC here does not apply.
//   - A profile is a list of rates, whose parts are segments of the result.
//
// All of it is one loop on one thread: send what is due, receive what is there, sleep until the next is due.
// It never spins, as it may share its core with the kernel thread that delivers its packets. Several threads (--threads)
// are so many loops, each with its part of the flows and of the schedule, that share nothing until the trial is over.
//
// Times are nanoseconds on the monotonic clock since the engine began, in int64, unless said otherwise.
//
// Sources: BEP 5 for the queries; Kingman's Poisson Processes (1993) for superposition and for rates that change; Gil
// Tene's HdrHistogram and his talks on coordinated omission for the way latency is taken; RFC 2544 for 198.18.0.0/15, the
// range meant for benchmarks.
package main
