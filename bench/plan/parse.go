package plan

import (
	"fmt"
	"slices"
	"strings"
)

// Arms lists every arm in the order reports show them. The slice is the caller's.
func Arms() []Arm { return slices.Clone(arms) }

// Patterns lists every flow pattern in the order reports show them. The slice is the caller's.
func Patterns() []Pattern { return slices.Clone(patterns) }

// ParseArms reads a comma-separated list such as "off,on". The baseline and its control are added when
// they are missing, because no arm means anything without them. The result is in report order.
func ParseArms(list string) ([]Arm, error) {
	asked, err := parse(list, arms, "arm")
	if err != nil {
		return nil, err
	}
	out := Arms()
	return slices.DeleteFunc(out, func(a Arm) bool {
		return a != Off && a != Control && !slices.Contains(asked, a)
	}), nil
}

// ParsePatterns reads a comma-separated list of flow patterns. The result is in report order.
func ParsePatterns(list string) ([]Pattern, error) {
	asked, err := parse(list, patterns, "flow pattern")
	if err != nil {
		return nil, err
	}
	out := Patterns()
	return slices.DeleteFunc(out, func(p Pattern) bool { return !slices.Contains(asked, p) }), nil
}

func parse[T ~string](list string, all []T, what string) ([]T, error) {
	var out []T
	for word := range strings.SplitSeq(list, ",") {
		if word = strings.TrimSpace(word); word != "" {
			out = append(out, T(word))
		}
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("read %s list %q: it is empty: give some of %s", what, list, join(all))
	}
	return out, known(out, all, what)
}

// known refuses words that are not in all, and words given twice.
func known[T ~string](asked, all []T, what string) error {
	for i, word := range asked {
		if !slices.Contains(all, word) {
			return fmt.Errorf("read %s %q: unknown: give some of %s", what, word, join(all))
		}
		if slices.Contains(asked[:i], word) {
			return fmt.Errorf("read %s %q: given twice", what, word)
		}
	}
	return nil
}

func join[T ~string](all []T) string {
	words := make([]string, len(all))
	for i, w := range all {
		words[i] = string(w)
	}
	return strings.Join(words, ",")
}
