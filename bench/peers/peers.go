// Package peers compares DHT servers in one lab: which they are, and what the trials say of them. It is pure; the
// servers run as processes of their own.
//
// Every server is alive for the whole run, on a port of its own, and idle while another one is measured, so that in
// each block all of them are measured within seconds of each other.
package peers

import (
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"text/tabwriter"

	"supernode/bench/record"
	"supernode/bench/stat"
)

// Server is a server that can be measured.
type Server struct {
	Name    string `json:"name"`
	Command string `json:"command"` // {addr} stands for the ADDR:PORT to answer on
	Note    string `json:"note"`    // how it was set up, for the reader of the figures
}

// Program is the path of the server's program.
func (s Server) Program() string {
	program, _, _ := strings.Cut(s.Command, " ")
	return program
}

// Subject is the name of the server that the others are compared with.
const Subject = "supernode"

// Builtin lists the servers whose programs are built into dir.
func Builtin(dir string) []Server {
	return []Server{{
		Name:    Subject,
		Command: filepath.Join(dir, "supernode") + " run --listen {addr} --bootstrap none --state-dir none --http none --allow-private --rate-limit off --log-level warn",
		Note:    "default settings, no bootstrap, no state, no rate limit",
	}, {
		Name:    "null",
		Command: filepath.Join(dir, "null-server") + " {addr}",
		Note:    "no server: the same batches, and a reply of the size of one with eight nodes",
	}, {
		Name:    "null, no batches",
		Command: filepath.Join(dir, "null-server") + " --batch 1 {addr}",
		Note:    "the same, a system call for each datagram",
	}, {
		Name:    "anacrolix",
		Command: filepath.Join(dir, "anacrolix-server") + " {addr}",
		Note:    "github.com/anacrolix/dht/v2 v2.23.0, send limiter off, in-memory peer store",
	}}
}

// Trial is one server measured once: a closed loop.
type Trial struct {
	Server string `json:"server"`
	Block  int    `json:"block"`
	record.Trial
}

// AnswersPerS is the rate of answers within the measured interval.
func (t Trial) AnswersPerS() float64 { return float64(t.Answered) / (float64(t.Duration) / 1e9) }

// CPUPerQuery is what an answer cost the server's side, in ns: its threads and its interface's receive work.
func (t Trial) CPUPerQuery() float64 {
	return float64(t.Trial.Server+t.ServerNAPI) / float64(t.Answered)
}

// Busy is the share of its core that the server's side used.
func (t Trial) Busy() float64 { return float64(t.Trial.Server+t.ServerNAPI) / float64(t.Duration) }

// Order is the servers' numbers in the order in which a block measures them.
func Order(seed uint64, block, servers int) []int {
	return rand.New(rand.NewPCG(seed, uint64(block))).Perm(servers)
}

// Line is what a run says of one server.
type Line struct {
	Server      string        `json:"server"`
	Note        string        `json:"note"`
	AnswersPerS stat.Estimate `json:"answers_per_s"`
	CPU         stat.Estimate `json:"cpu_ns_per_query"`
	Busy        stat.Estimate `json:"server_busy"`
	Lost        float64       `json:"loss_ratio"`

	// Subject's answers per second over this server's, and this server's CPU time per query over the subject's, both in
	// pairs within blocks: how many times as fast, and as frugal, the subject is.
	Speed  stat.Estimate `json:"subject_speed_ratio"`
	Frugal stat.Estimate `json:"subject_cpu_ratio"`
}

// Summarize makes a line for each server that has trials. A server that is not in servers is left out.
func Summarize(servers []Server, trials []Trial) []Line {
	boot := stat.DefaultRules().Bootstrap()
	subject := of(trials, Subject)
	var lines []Line
	for _, s := range servers {
		own := of(trials, s.Name)
		if len(own) == 0 {
			continue
		}
		line := Line{
			Server: s.Name, Note: s.Note,
			AnswersPerS: boot.Median(values(own, Trial.AnswersPerS)),
			CPU:         boot.Median(values(own, Trial.CPUPerQuery)),
			Busy:        boot.Median(values(own, Trial.Busy)),
			Speed:       boot.Ratio(pairs(own, subject, Trial.AnswersPerS)),
			Frugal:      boot.Ratio(pairs(subject, own, Trial.CPUPerQuery)),
		}
		var sent, lost uint64
		for _, t := range own {
			sent += t.Load.Sent
			lost += t.Load.Lost
		}
		if sent > 0 {
			line.Lost = float64(lost) / float64(sent)
		}
		lines = append(lines, line)
	}
	return lines
}

func of(trials []Trial, server string) (own []Trial) {
	for _, t := range trials {
		if t.Server == server && t.Answered > 0 && t.Duration > 0 {
			own = append(own, t)
		}
	}
	return own
}

func values(trials []Trial, of func(Trial) float64) []float64 {
	xs := make([]float64, len(trials))
	for i, t := range trials {
		xs[i] = of(t)
	}
	return xs
}

// pairs matches trials of the same block.
func pairs(base, arm []Trial, of func(Trial) float64) (ps []stat.Pair) {
	for _, b := range base {
		for _, a := range arm {
			if a.Block == b.Block {
				ps = append(ps, stat.Pair{Base: of(b), Arm: of(a)})
			}
		}
	}
	return ps
}

// Table prints the lines for a person.
func Table(w io.Writer, lines []Line) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(t, "server\tanswers/s\t[interval]\tCPU ns/query\tcore busy\tlost\tsupernode over it [interval]\t")
	for _, l := range lines {
		fmt.Fprintf(t, "%s\t%.0f\t[%.0f, %.0f]\t%.0f\t%.0f %%\t%.3f %%\t", l.Server, l.AnswersPerS.Median, l.AnswersPerS.Lo, l.AnswersPerS.Hi,
			l.CPU.Median, 100*l.Busy.Median, 100*l.Lost)
		if l.Server != Subject {
			fmt.Fprintf(t, "%.2f× [%.2f, %.2f]", l.Speed.Median, l.Speed.Lo, l.Speed.Hi)
		}
		fmt.Fprintln(t, "\t")
	}
	return t.Flush()
}
