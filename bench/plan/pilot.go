package plan

// Pilot is what a pilot found and chose: the spread of the control against the baseline, and nothing of the arms that are
// compared, so that how long a run is cannot depend on what it shows.
type Pilot struct {
	Pairs     int     `json:"pairs"`      // of control and baseline that the pilot made
	Spread    float64 `json:"spread"`     // of their log ratios, as a standard deviation
	Blocks    int     `json:"blocks"`     // chosen
	Needed    int     `json:"needed"`     // more than Blocks where the time did not allow them
	HalfWidth float64 `json:"half_width"` // of a 95 % interval that so many blocks should give, as a share
}
