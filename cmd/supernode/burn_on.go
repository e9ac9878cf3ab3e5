//go:build burn

package main

import (
	"github.com/spf13/pflag"

	"supernode/internal/burn"
)

// burner makes the node slower by a known amount of work, so that a measurement can show that it finds it. It is set
// before the workers begin.
var burner burn.Burner

func registerBurn(f *pflag.FlagSet) {
	f.Var(&burner, "burn", "waste so much processor time for each datagram")
	_ = f.MarkHidden("burn") // fails for no flag that is there
}

// burnFor wastes the time of n datagrams.
func burnFor(n int) { burner.Burn(n) }
