package gates

import (
	"context"
	"os/exec"
	"regexp"
	"slices"
	"strings"
)

// flagName finds flags in a program's help.
var flagName = regexp.MustCompile(`--[a-z0-9][a-z0-9-]*`)

// Accepted splits flags, each as --NAME or --NAME=VALUE, into those that "supernode run" of a program knows by its help and
// those that it does not: an older revision has not got what a newer one is told to leave off. A program whose help says
// nothing is taken to know all of them; what it does not know it will refuse in its own words.
func Accepted(ctx context.Context, supernode string, flags ...string) (accepted, unknown []string) {
	help, err := exec.CommandContext(ctx, supernode, "run", "--help").Output()
	known := flagName.FindAllString(string(help), -1)
	if err != nil || len(known) == 0 {
		return flags, nil
	}
	for _, flag := range flags {
		if name, _, _ := strings.Cut(flag, "="); slices.Contains(known, name) {
			accepted = append(accepted, flag)
		} else {
			unknown = append(unknown, name)
		}
	}
	return accepted, unknown
}
