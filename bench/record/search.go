package record

// Search is what a search for the highest rate with hardly any loss came to (RFC 2544, section 26.1, in spirit; short
// trials first, as in MLRsearch). It stands in a trial of measure "search".
type Search struct {
	Found []Found `json:"found"` // one for each loss that is allowed, the strictest first
	Steps []Step  `json:"steps"` // in the order they were made
}

// Found is the highest rate at which no more than LossRatio of the queries were lost.
type Found struct {
	LossRatio float64 `json:"loss_ratio"`        // allowed: 0.001, 0.005
	QPS       float64 `json:"qps"`               // offered; 0 if even the lowest rate lost more
	AtMost    float64 `json:"at_most"`           // the lowest rate seen to lose more; 0 if none did
	Limited   bool    `json:"generator_limited"` // the generator, not the server, ended the search

	// The time was over before QPS and AtMost were as close as they should be.
	Unfinished bool `json:"unfinished,omitempty"`
}

// Step is one short trial of a search.
type Step struct {
	OfferedQPS float64 `json:"offered_qps"`
	DurationS  float64 `json:"duration_s"`
	Sent       uint64  `json:"sent"`
	Answered   uint64  `json:"answered"`
	LossRatio  float64 `json:"loss_ratio"`
	Limited    bool    `json:"generator_limited"`

	// Why the step was made again and does not count: the host took the processors away.
	Disturbed string `json:"disturbed,omitempty"`
}
