package record

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// CurveFile is what the fill curves are kept in beside [FileName]: one [Curve] a line.
const CurveFile = "curve.jsonl"

// Curve is one filling of the connection table by new flows, from empty until after the recovery. Counters are
// differences since its start, times seconds since its start. Known flows had assured entries before. New flows had none:
//
//   - until FilledS a crowd, each flow of which asks three times, so that the table fills with assured entries;
//   - until StopS flows that ask once, at the same rate;
//   - from then on the same, a few, to see when one is answered again.
type Curve struct {
	Run        int      `json:"run"` // counted from 0
	Limit      uint64   `json:"limit"`
	Buckets    uint64   `json:"buckets"`
	UnrepliedS float64  `json:"udp_timeout_s"`            // nf_conntrack_udp_timeout during the run
	StreamS    float64  `json:"udp_timeout_stream_s"`     // nf_conntrack_udp_timeout_stream
	NewPerS    float64  `json:"new_flows_per_s"`          // offered until StopS
	KnownPerS  float64  `json:"known_flows_per_s"`        // queries of flows that had their entry before the filling began
	Others     uint64   `json:"others,omitempty"`         // entries the table was filled with before the first point
	FullS      float64  `json:"full_s"`                   // when the table first evicted or refused; 0 if never
	FilledS    float64  `json:"filled_s"`                 // when the crowd had asked, and flows began that ask once
	StopS      float64  `json:"stop_s"`                   // when the flood of new flows ended
	RecoveredS float64  `json:"recovered_s"`              // when half of the new flows were answered again; 0 if never
	EntryBytes float64  `json:"entry_bytes"`              // kernel memory an entry, measured over the filling; 0 if it cannot be told
	LogLines   []string `json:"log_lines"`                // what the kernel log said of it, at most a few
	LogReason  string   `json:"log_unreadable,omitempty"` // why the kernel log says nothing
	Points     []Point  `json:"points"`
}

// Point is one reading of a curve. Rates are of the interval since the point before.
type Point struct {
	S             float64 `json:"s"`
	Entries       uint64  `json:"entries"`
	Drop          uint64  `json:"drop"`
	EarlyDrop     uint64  `json:"early_drop"`
	InsertFailed  uint64  `json:"insert_failed"`
	NewSentPerS   float64 `json:"new_sent_per_s"`
	NewAnswered   float64 `json:"new_answered_per_s"`
	KnownSent     float64 `json:"known_sent_per_s"`
	KnownAnswered float64 `json:"known_answered_per_s"`
}

// AppendCurve adds a curve to those in a run's directory. When it returns nil the curve is on disk.
func AppendCurve(dir string, c Curve) error {
	line, err := json.Marshal(c)
	if err != nil {
		return fmt.Errorf("encode fill curve: %w", err)
	}
	file, err := os.OpenFile(filepath.Join(dir, CurveFile), os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("write fill curve: %w", err)
	}
	_, err = file.Write(append(line, '\n'))
	if err = errors.Join(err, file.Sync(), file.Close(), syncDir(dir)); err != nil {
		return fmt.Errorf("write fill curve: %w", err)
	}
	return nil
}

// ReadCurves reads the fill curves in a run's directory; a run that made none has no file of them, which is no error.
// What the reader had to forgive is in warnings.
func ReadCurves(dir string) (curves []Curve, warnings []string, err error) {
	torn := 0
	curves, err = FromDir(dir, CurveFile, func(r io.Reader) (curves []Curve, err error) {
		torn, err = EachLine(r, false, func(line []byte, _ int) error {
			var c Curve
			if err := json.Unmarshal(line, &c); err != nil {
				return fmt.Errorf("not a fill curve: %w", err)
			}
			if c.Limit == 0 || len(c.Points) == 0 {
				return errors.New("a fill curve without its limit or points")
			}
			curves = append(curves, c)
			return nil
		})
		return curves, err
	})
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil, nil, nil
	case err != nil:
		return nil, nil, err
	case torn > 0:
		warnings = append(warnings, fmt.Sprintf("line %d of %s is cut short: the run was stopped while it was written; it is left out", torn, CurveFile))
	}
	return curves, warnings, nil
}
