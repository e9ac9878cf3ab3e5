package slices

import "math/rand/v2"

// Order is the subjects' numbers in the order in which a block measures them: at random, and then back again. So each is
// measured twice, its two places have the same middle as everybody's, and whatever grows or falls steadily over a block is
// in all of them alike (ABBA, the counterbalancing of R. A. Fisher's pupils; N. Cox, Planning of Experiments, 1958, ch. 14).
func Order(seed uint64, block, measure, subjects int) []int {
	// The second word only keeps these streams apart.
	rng := rand.New(rand.NewPCG(seed, uint64(block)<<8|uint64(measure)))
	there := rng.Perm(subjects)
	order := make([]int, 0, 2*subjects)
	order = append(order, there...)
	for i := range there {
		order = append(order, there[subjects-1-i])
	}
	return order
}
