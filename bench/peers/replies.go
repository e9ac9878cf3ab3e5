package peers

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"supernode/bench/report"
	"supernode/bench/stat"
)

// replies is what the generator says of the replies to one method.
type replies struct {
	Bytes float64 `json:"bytes_p50"`
	Nodes float64 `json:"nodes_p50"`
	Peers float64 `json:"peers_p50"`
	Wrong uint64  `json:"wrong"`
}

// judged are the parts of a generator's result that say how good the replies were. A generator that does not judge them
// leaves them out.
type judged struct {
	Replies map[string]replies `json:"replies"`
	Errors  map[string]uint64  `json:"errors"`
}

func (t *Trial) judged() (j judged) {
	_ = json.Unmarshal(t.Load.Raw, &j) // Raw has been read as JSON before
	return j
}

// judge fills in what the replies were like.
func (c *counted) judge(row *Row, m Measure, foreign bool) {
	method := string(m)
	if m == Mix || m == GetPeersMiss {
		method = string(GetPeers)
	}
	var bytes, nodes, peers []float64
	var answered, wrong uint64
	for _, t := range c.of(row.Server, m) {
		j := t.judged()
		for _, r := range j.Replies {
			wrong += r.Wrong
		}
		if j.Replies == nil { // a generator that tells no more than errors
			for _, n := range j.Errors {
				wrong += n
			}
		}
		answered += t.Load.Answered
		for name := range j.Replies {
			if foreign { // another protocol has one kind of reply
				method = name
			}
		}
		if r, ok := j.Replies[method]; ok {
			bytes, nodes, peers = append(bytes, r.Bytes), append(nodes, r.Nodes), append(peers, r.Peers)
		}
	}
	if len(bytes) > 0 {
		row.Bytes, row.Nodes, row.Peers = median(bytes), median(nodes), median(peers)
	}
	if answered > 0 {
		row.Wrong = float64(wrong) / float64(answered)
	}
	if row.Wrong > maxWrong {
		row.Marks = append(row.Marks, fmt.Sprintf("%.1f %% wrong", 100*row.Wrong))
	}
	if row.Lost > maxLost {
		row.Marks = append(row.Marks, fmt.Sprintf("%.1f %% not answered", 100*row.Lost))
	}
	failed := map[string]int{}
	for block := range c.blocks {
		if why := c.empty[place{row.Server, m, block}]; why != "" {
			failed[why]++
		}
	}
	for _, why := range slices.Sorted(maps.Keys(failed)) {
		row.Marks = append(row.Marks, fmt.Sprintf("%s (%d of %s)", why, failed[why], report.Plural(c.blocks, "trial")))
	}
}

func median(xs []float64) *float64 {
	m := stat.Median(xs)
	return &m
}

// otherSize is by what share replies may be shorter or longer than the subject's before a server is marked: what a
// datagram costs depends on its length.
const otherSize = 0.05

// compareReplies marks the servers whose replies are of another length than the subject's, or hold less. Those that have
// nothing to answer with are known to hold less.
func compareReplies(rows []Row, servers []Server, m Measure) {
	i := slices.IndexFunc(rows, func(r Row) bool { return r.Server == Subject })
	if i < 0 || rows[i].Nodes == nil {
		return
	}
	full := rows[i]
	for i := range rows {
		r := &rows[i]
		if r.Nodes == nil {
			continue
		}
		switch more := *r.Bytes/(*full.Bytes) - 1; {
		case more > otherSize:
			r.Marks = append(r.Marks, fmt.Sprintf("replies %.0f %% larger", 100*more))
		case more < -otherSize:
			r.Marks = append(r.Marks, fmt.Sprintf("replies %.0f %% smaller", -100*more))
		}
		if servers[slices.IndexFunc(servers, named(r.Server))].Hollow {
			continue
		}
		if *r.Nodes < *full.Nodes {
			r.Marks = append(r.Marks, fmt.Sprintf("answers less: %g nodes of %g", *r.Nodes, *full.Nodes))
		}
		if m == GetPeers && *r.Peers < *full.Peers {
			r.Marks = append(r.Marks, fmt.Sprintf("answers less: %g peers of %g", *r.Peers, *full.Peers))
		}
	}
}
