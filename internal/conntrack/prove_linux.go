package conntrack

// Prove finds out by Probe whether datagrams of the port are tracked, and lets the rules speak where a full table hides
// that. It is for a kernel that has connection tracking: asking another one for its rules could load it. Without the right
// to see the rules it says what the probe said.
func Prove(port uint16) (Activity, error) {
	a, err := Probe(port)
	if err != nil {
		return a, err
	}
	if rules, err := Rules(port); err == nil {
		a, _ = weigh(a, rules)
	}
	return a, nil
}
