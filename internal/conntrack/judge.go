package conntrack

// Judge turns an observation into a diagnosis. It is pure.
func Judge(o Observation) Diagnosis {
	d := Diagnosis{Port: o.Port, Verdict: Unknown}
	return d
}
