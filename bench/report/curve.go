package report

import (
	"fmt"

	"supernode/bench/record"
	"supernode/bench/report/page"
)

func curveTable(curves []record.Curve) page.Table {
	t := page.Table{Caption: "Fill curves", Head: []string{"run", "limit", "new flows/s", "full after", "new flows lost", "known flows lost", "drop", "early_drop", "answered again after", "bytes an entry"}}
	for _, c := range curves {
		known, fresh := lostWhileFull(c)
		last := c.Points[len(c.Points)-1]
		t.Rows = append(t.Rows, []string{fmt.Sprint(c.Run + 1), Group(float64(c.Limit)), Group(c.NewPerS), orDash(c.FullS, secondsOf), fresh.String(), known.String(),
			Group(float64(last.Drop)), Group(float64(last.EarlyDrop)), orDash(c.RecoveredS-c.StopS, secondsOf), orDash(c.EntryBytes, Group)})
	}
	return t
}

// orDash writes x, or a dash if it is not known.
func orDash(x float64, write func(float64) string) string {
	if x <= 0 {
		return "–"
	}
	return write(x)
}

func secondsOf(s float64) string { return fmt.Sprintf("%.1f s", s) }

// loss is what became of queries.
type loss struct{ sent, answered float64 }

// ratio is the share that was lost; answers that came late can make it seem less than nothing was.
func (l loss) ratio() float64 { return max(0, 1-share(l.answered, l.sent)) }

func (l loss) String() string {
	if l.sent == 0 {
		return "–"
	}
	return part(l.ratio())
}

// words is the same in a sentence.
func (l loss) words() string {
	if l.ratio() == 0 {
		return "none"
	}
	return l.String()
}

// lostWhileFull adds up what was sent and answered while every entry of the full table was assured, so that none could be
// evicted: from then on to the end of the flood.
func lostWhileFull(c record.Curve) (known, fresh loss) {
	if c.FullS == 0 {
		return
	}
	from := max(c.FullS, c.FilledS)
	before := 0.0
	for _, p := range c.Points {
		took := p.S - before
		before = p.S
		if p.S-took < from || p.S > c.StopS {
			continue
		}
		known.sent, known.answered = known.sent+p.KnownSent*took, known.answered+p.KnownAnswered*took
		fresh.sent, fresh.answered = fresh.sent+p.NewSentPerS*took, fresh.answered+p.NewAnswered*took
	}
	return known, fresh
}

// curveSentence says what a filling showed.
func curveSentence(c record.Curve) string {
	text := fmt.Sprintf("At %s new flows a second the table of %s entries", Group(c.NewPerS), Group(float64(c.Limit)))
	if c.Others > 0 {
		text += fmt.Sprintf(", %s of which were put in before,", Group(float64(c.Others)))
	}
	if c.FullS == 0 {
		return fmt.Sprintf("%s did not fill within %s.", text, secondsOf(c.StopS))
	}
	text += fmt.Sprintf(" was full after %s", secondsOf(c.FullS))
	known, fresh := lostWhileFull(c)
	since := "from then on"
	if c.FilledS > c.FullS {
		since = "once the flows in it had asked twice,"
	}
	switch {
	case fresh.sent > 0 && known.sent > 0:
		text += fmt.Sprintf("; %s %s of the queries from new flows were lost and %s of those from known ones", since, fresh.words(), known.words())
	case fresh.sent > 0:
		text += fmt.Sprintf("; %s %s of the queries from new flows were lost", since, fresh.words())
	}
	if c.RecoveredS <= 0 {
		return text + ", and new flows were not answered again while it was watched."
	}
	return text + fmt.Sprintf(", and new flows were answered again %s after the flood had ended.", secondsOf(c.RecoveredS-c.StopS))
}

// curveNotes are the facts that a filling rests on, and what follows from them.
func curveNotes(c record.Curve) []string {
	var notes []string
	add := func(format string, args ...any) { notes = append(notes, fmt.Sprintf(format, args...)) }
	if c.UnrepliedS > 0 {
		add("A flow that asks once keeps its entry for `nf_conntrack_udp_timeout`, here %g s (the kernel's default is 30 s); one that asks on for "+
			"more than two seconds for `nf_conntrack_udp_timeout_stream`, here %g s (default 120 s).", c.UnrepliedS, c.StreamS)
		add("So a table of %s entries holds %s new flows a second for good with these time-outs, and %s with the defaults.", Group(float64(c.Limit)),
			Group(float64(c.Limit)/c.UnrepliedS), Group(float64(c.Limit)/30))
	}
	add("Entries are evicted for new flows (`early_drop`) while they are not assured, which takes a flow that was answered and goes on after two " +
		"seconds. Against a crowd that asks once the table refuses little; against one that asks on it refuses all others (`drop`).")
	if c.EntryBytes > 0 {
		add("An entry took %s bytes of kernel memory, measured while the table filled: %s at the limit.", Group(c.EntryBytes), size(uint64(c.EntryBytes*float64(c.Limit))))
	}
	if c.LogReason != "" {
		add("What the kernel log said is not known: %s.", c.LogReason)
	} else if len(c.LogLines) == 0 {
		add("The kernel log said nothing.")
	}
	return notes
}
