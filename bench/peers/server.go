package peers

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
)

// Server is a server that can be measured.
type Server struct {
	Name    string `json:"name"`
	Command string `json:"command"` // {addr} stands for the ADDR:PORT to answer on, {state} for a directory of state
	Note    string `json:"note"`    // how it is set up, for the reader of the figures

	Payload string `json:"payload,omitempty"` // what it speaks, as the generator calls it; empty: the DHT's protocol
	Metrics string `json:"metrics,omitempty"` // ADDR:PORT where it tells what is in its tables, as supernode does
	Hollow  bool   `json:"hollow,omitempty"`  // it has no tables to be filled
}

// Placeholders in a Server's Command.
const (
	AddrMark  = "{addr}"
	StateMark = "{state}"
)

// BEP15 is the Payload of servers that speak the UDP tracker protocol. They are asked to connect, which stands beside the
// others' ping, as does what any other Payload asks.
const BEP15 = "bep15"

// Subject is the name of the server that the others are compared with.
const Subject = "supernode"

// Program is the path of the server's program.
func (s Server) Program() string {
	program, _, _ := strings.Cut(s.Command, " ")
	return program
}

// Knows says whether the server can be measured so.
func (s Server) Knows(m Measure) bool { return s.Payload == "" || m == Ping }

// Builtin lists the servers there are, as make bench-peers leaves them in dir.
func Builtin(dir string) []Server {
	return []Server{{
		Name: Subject,
		Command: filepath.Join(dir, "supernode") +
			" run --listen {addr} --bootstrap none --state-dir {state} --http 127.0.0.1:6880 --allow-private --log-level warn",
		Note:    "default settings, among them --priority auto (SCHED_RR, if it may and there are more processors than workers), but that it has nobody to start from and talks to private addresses, as the lab's are",
		Metrics: "127.0.0.1:6880",
	}, {
		Name:    "null",
		Command: filepath.Join(dir, "null-server") + " {addr}",
		Note:    "no server: the same batches, and replies like a node's in size; SCHED_RR where it may",
		Hollow:  true,
	}, {
		Name:    "null-unbatched",
		Command: filepath.Join(dir, "null-server") + " --batch 1 {addr}",
		Note:    "the same, a system call for each datagram; SCHED_RR where it may",
		Hollow:  true,
	}, {
		Name:    "libtorrent",
		Command: filepath.Join(dir, "libtorrent-server") + " {addr}",
		Note:    "Debian's libtorrent-rasterbar, its limits lifted; of normal priority",
	}, {
		Name:    "anacrolix",
		Command: filepath.Join(dir, "anacrolix-server") + " {addr}",
		Note:    "github.com/anacrolix/dht/v2 v2.23.0, send limiter off, in-memory peer store; of normal priority",
	}, {
		Name:    "bittorrent-dht",
		Command: filepath.Join(dir, "npm-server") + " {addr}",
		Note:    "npm's bittorrent-dht, its limits lifted; of normal priority",
	}, {
		Name:    "opentracker",
		Command: filepath.Join(dir, "opentracker-server") + " {addr}",
		Note:    "a tracker (BEP 15): asked to connect where the others are pinged; of normal priority",
		Payload: BEP15, Hollow: true,
	}, {
		Name:    "dnsmasq",
		Command: filepath.Join(dir, "dnsmasq-server") + " {addr}",
		Note:    "a name server (DNS): asked for the address of a name that it knows where the others are pinged; of normal priority",
		Payload: "dns:example.org", Hollow: true,
	}}
}

// ParseServer reads a server of the user's, NAME=COMMAND.
func ParseServer(text string) (Server, error) {
	name, command, ok := strings.Cut(text, "=")
	name, command = strings.TrimSpace(name), strings.TrimSpace(command)
	switch {
	case !ok || name == "" || command == "":
		return Server{}, fmt.Errorf("read server %q: give NAME=COMMAND, as in 'mine=/usr/local/bin/my-dht --listen {addr}'", text)
	case strings.ContainsAny(name, ",|"):
		return Server{}, fmt.Errorf("read server %q: its name must not hold a comma or a bar", text)
	case !strings.Contains(command, AddrMark):
		return Server{}, fmt.Errorf("read server %q: its command must say with {addr} where the address to answer on belongs", text)
	}
	return Server{Name: name, Command: command, Note: "as given on the command line"}, nil
}

// Add puts more servers behind all. One of a name that is there takes its place.
func Add(all []Server, more ...Server) []Server {
	all = slices.Clone(all)
	for _, s := range more {
		if i := slices.IndexFunc(all, named(s.Name)); i >= 0 {
			all[i] = s
		} else {
			all = append(all, s)
		}
	}
	return all
}

// Select takes the servers of a comma-separated list, in the order of all.
func Select(all []Server, list []string) ([]Server, error) {
	asked := map[string]bool{}
	for _, name := range list {
		if !slices.ContainsFunc(all, named(name)) {
			return nil, fmt.Errorf("unknown server %q: give some of %s", name, strings.Join(names(all), ", "))
		}
		asked[name] = true
	}
	return slices.DeleteFunc(slices.Clone(all), func(s Server) bool { return !asked[s.Name] }), nil
}

func named(name string) func(Server) bool { return func(s Server) bool { return s.Name == name } }

func names(servers []Server) []string {
	out := make([]string, len(servers))
	for i, s := range servers {
		out[i] = s.Name
	}
	return out
}
