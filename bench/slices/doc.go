// Package slices compares builds of a UDP server end to end on a machine that is never quiet, and says how well it does.
//
// The words, beside those of package plan:
//
//   - A subject is a server together with the generator that asks it. All subjects of a comparison are alive at once, on
//     the same cores; one is asked at a time, the others sleep.
//   - A slice is one subject measured once: a fifth of a second, warm-up included.
//   - A block measures every subject twice, in random order and then in the reverse of it (Order).
//   - A round is blocks with the same processes. The next round starts new ones, so that what a process has by luck, as
//     the pages that it was given and the node ids it made up, is not taken for its revision's.
//
// Why slices are so short: on a shared machine the speed of a core drifts by ten per cent over seconds, as neighbours on
// the host come and go. What is compared has to be closer together than that, and it is better to look often than long.
// A slice is as short as it can be without measuring its own edges: a subject that was asleep finds its memory out of the
// caches, which the warm-up hides, and the clocks of server and answers are read some 100 µs apart by different processes,
// which is why CPU time and answers are each divided by their own reader's interval. Study finds the length that tells most
// in a minute on a given machine.
//
// Blocks of one round share processes: their pairs are independent of each other but for what those processes have by luck.
// Intervals are made of pairs, and so leave out a part of it; how far the medians of rounds spread (Series.Luck) is told
// beside them, and is what to look at before a small difference is believed.
//
// A block gives one pair a metric: the geometric means of a subject's two slices, over those of base and control together,
// which are the same program and so one base, measured twice as well. Drift that is steady over a block cancels, and what is
// not is as likely to favour either. Between base and control alone, it shows what the method makes of no difference.
//
// The null responder does nothing but answer: what the kernel's path costs. Dividing both sides of a pair by the null
// responder's figure in the same block would cancel; so it is measured in every fourth block only, and says how far a
// server's figure is above it, not how two differ.
//
// Time that the host takes away (steal) is not charged to threads, so slices that lost some are kept: left out, they cost as
// much precision as they spoil, since verdicts rest on medians. The records say what was stolen.
package slices
