// Package wire is the KRPC codec of the Mainline DHT: one bencoded dictionary in, one out, nothing else.
//
// A datagram holds one [Message]: a query, a response or an error (BEP 5). [Parse] fills a Message with
// views into the datagram and [Message.Append] writes one behind dst; neither allocates, and the same type
// serves both directions, so that whatever Parse accepts can be written again with the same meaning.
//
// Parse is lenient where the network is sloppy and strict where sloppiness is an attack:
//
//   - Keys may come in any order, unknown keys are skipped, of a repeated key the first counts.
//   - A known key whose value has the wrong type or length reads as absent. Deciding what that means (error
//     203, mostly) is the node's business, and it needs the rest of the message to do so.
//   - Everything else must be bencode to the letter: no leading zeros, no negative zero, no integer beyond
//     64 bits, no string past the end, no nesting deeper than [MaxDepth], no byte after the dictionary.
//
// Append always writes keys in sorted order.
//
// Ownership: every []byte in a parsed Message points into the datagram and is valid for as long as the
// caller leaves the datagram alone. Append copies what it is given.
//
// Sources: BEP 5 (KRPC), 32 (nodes6, want), 33 (scrape), 42 (ip), 43 (ro), 44 (get, put), 51
// (sample_infohashes), and BEP 3 for bencoding.
package wire
