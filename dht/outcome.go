package dht

import "supernode/dht/wire"

// Verdict is what became of a datagram.
type Verdict uint8

// The verdicts. Those from DropMalformed on mean silence.
const (
	Answered        Verdict = iota // a query, answered
	Refused                        // a query, answered with the error in Outcome.Code
	Accepted                       // a response or error to a query of ours
	DropMalformed                  // not a KRPC message
	DropTransaction                // a query whose "t" is missing, empty or longer than 32 bytes
	DropSource                     // from an address the node does not talk to
	DropUnsolicited                // a response or error nobody waits for
	DropLimited                    // a query beyond what its source may ask (Config.RateLimit)

	// Verdicts is the number of verdicts, for arrays indexed by one.
	Verdicts
)

var verdictNames = [Verdicts]string{
	"answered", "refused", "accepted", "malformed", "transaction", "source", "unsolicited", "limited",
}

// String is a lower-case word for v, fit for a metric's label.
func (v Verdict) String() string { return verdictNames[v] }

// Outcome tells the embedder, who counts, what Handle did with one datagram.
type Outcome struct {
	Verdict Verdict
	Method  wire.Method // of a query; wire.Unknown for what is none
	Code    uint16      // the error sent, when Verdict is Refused
}
