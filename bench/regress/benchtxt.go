package regress

import (
	"io"
	"strings"

	"golang.org/x/perf/benchfmt"

	"supernode/bench/stat"
)

// WriteBench writes one side's figures in the Go benchmark format (https://go.dev/design/14313-benchmark-format): what
// its test programs printed, as they printed it, and after that its figures of end-to-end series, one line a pair.
func WriteBench(w io.Writer, printed string, series []Series, head bool) error {
	if _, err := io.WriteString(w, printed); err != nil {
		return err
	}
	out := benchfmt.NewWriter(w)
	for _, s := range series {
		if s.Kind != KindEndToEnd {
			continue
		}
		better := "lower"
		if s.Better == stat.Higher {
			better = "higher"
		}
		unit := benchfmt.UnitMetadata{UnitMetadataKey: benchfmt.UnitMetadataKey{Key: "better", Unit: s.Unit}, OrigUnit: s.Unit, Value: better}
		if err := out.Write(&unit); err != nil {
			return err
		}
		for _, p := range s.Pairs {
			value := p.Base
			if head {
				value = p.Arm
			}
			name := benchfmt.Name("EndToEnd/" + strings.Join(strings.Fields(s.Name), "-"))
			result := benchfmt.Result{Name: name, Iters: 1, Values: []benchfmt.Value{{Value: value, Unit: s.Unit}}}
			if err := out.Write(&result); err != nil {
				return err
			}
		}
	}
	return nil
}
