package main

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"supernode/bench/peers"
)

// peersOptions are the flags of "bench peers".
type peersOptions struct {
	quick      bool
	out        string
	servers    []string
	commands   []string
	methods    string
	blocks     int
	nodes      int
	infohashes int
	flows      int
	window     int
	mix        string
	zipf       float64
	seed       uint64
}

func peersCommand() *cobra.Command {
	var o peersOptions
	cmd := &cobra.Command{
		Use:   "peers",
		Short: "Measure supernode beside other DHT servers: speed, cost, latency, overload, memory",
		Long: `peers keeps several DHT servers alive on one core of the lab, without connection tracking, fills their tables, and measures in
blocks of random order how many queries of each method they answer a second, what that costs, how long answers take at half
load, and what twice the load does. Two of the servers are none: they answer without looking, in batches and one by one, and
show what the kernel's path allows. A quarter of an hour with all servers; --quick is a first
answer in four minutes, or in one with two servers. Without root it does what can be done in a user namespace, and says what cannot.

Servers that are not installed are left out; make install-peers and make bench-peers have them all. One that fails on the way
is named, and the others go on. Records go to DIR/peers.jsonl, what they say to report.md and summary.json there; bench report
DIR makes both again.`,
		Example: `  bench peers --quick --servers supernode,null
  bench peers --methods get_peers,mix --server-cmd 'mine=/usr/local/bin/my-dht --listen {addr}'`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	o.register(cmd.Flags())
	return cmd
}

func (o *peersOptions) register(f *pflag.FlagSet) {
	f.SortFlags = false
	f.BoolVar(&o.quick, "quick", false, "a first answer in four minutes: fewer and shorter blocks, tables of 20,000")
	f.StringVar(&o.out, "out", "", "`DIR` for records and report, which must not hold records yet (default out/peers-DATE-TIME)")
	f.StringSliceVar(&o.servers, "servers", nil, "`LIST` of what to measure (default all that are installed, and those of --server-cmd)")
	f.StringArrayVar(&o.commands, "server-cmd", nil, "another `NAME=COMMAND`; {addr} in it stands for ADDR:PORT, {state} for a directory with a state of supernode's (repeatable)")
	f.StringVar(&o.methods, "methods", "", fmt.Sprintf("`LIST` of what to measure them at, of %s (default all)", join(peers.Methods())))
	f.IntVar(&o.blocks, "blocks", 0, "`N` blocks, each measuring everything once (default 8, with --quick 5; intervals take 5)")
	f.IntVar(&o.nodes, "nodes", 0, "`N` nodes in supernode's table (default 1000000, with --quick 20000)")
	f.IntVar(&o.infohashes, "infohashes", 0, "`N` info_hashes stored (default the same)")
	f.IntVar(&o.flows, "flows", 0, "`N` source addresses of a trial (default 60000)")
	f.IntVar(&o.window, "window", 0, "`N` queries outstanding in a closed loop (default 256)")
	f.StringVar(&o.mix, "mix", "", "`WEIGHTS` of the methods in the mix (default loadgen's)")
	f.Float64Var(&o.zipf, "zipf", 0, "`S`, exponent of the info_hashes' popularity in the mix (default 1)")
	f.Uint64Var(&o.seed, "seed", 0, "`N` that decides the order and the queries (default from the clock)")
}

// The most that supernode's tables hold by default.
const maxTable = 1_000_000

// spec makes the description of a run from the flags; given says which of them were.
func (o *peersOptions) spec(given func(flag string) bool) (spec peers.Spec, err error) {
	spec = peers.Full()
	if o.quick {
		spec = peers.Quick()
	}
	if given("methods") {
		if spec.Methods, err = peers.ParseMethods(o.methods); err != nil {
			return spec, usagef("--methods: %w", err)
		}
	}
	for _, n := range []struct {
		flag     string
		from, to *int
		most     int
	}{
		{"blocks", &o.blocks, &spec.Blocks, maxBlocks},
		{"nodes", &o.nodes, &spec.Nodes, maxTable},
		{"infohashes", &o.infohashes, &spec.Infohashes, maxTable},
		{"flows", &o.flows, &spec.Flows, maxTable},
		{"window", &o.window, &spec.Window, 1 << 17},
	} {
		if !given(n.flag) {
			continue
		}
		if *n.from < 1 || *n.from > n.most {
			return spec, usagef("--%s %d: must be 1 to %d", n.flag, *n.from, n.most)
		}
		*n.to = *n.from
	}
	if given("mix") {
		spec.Mix = o.mix
	}
	if given("zipf") {
		if spec.Zipf = o.zipf; !(o.zipf >= 0 && o.zipf <= 20) {
			return spec, usagef("--zipf %v: must be 0 to 20", o.zipf)
		}
	}
	spec.Seed = o.seed
	if !given("seed") {
		spec.Seed = fromClock()
	}
	return spec, nil
}

// choose picks the servers to measure; missing are those that would be, were they installed.
func (o *peersOptions) choose(all []peers.Server) (servers []peers.Server, missing []string, err error) {
	var own []peers.Server
	for _, text := range o.commands {
		s, err := peers.ParseServer(text)
		if err != nil {
			return nil, nil, usagef("--server-cmd: %w", err)
		}
		if _, err := exec.LookPath(s.Program()); err != nil {
			return nil, nil, usagef("--server-cmd %s: %w", s.Name, err)
		}
		own = append(own, s)
	}
	all = peers.Add(all, own...)
	if o.servers != nil {
		if all, err = peers.Select(all, o.servers); err != nil {
			return nil, nil, usagef("--servers: %w", err)
		}
	}
	for _, s := range all {
		if _, err := exec.LookPath(s.Program()); err != nil {
			missing = append(missing, s.Name)
			continue
		}
		servers = append(servers, s)
	}
	switch {
	case o.servers != nil && len(missing) > 0:
		return nil, nil, usagef("--servers: not installed: %s: make install-peers and make bench-peers have them", strings.Join(missing, ", "))
	case len(servers) == 0:
		return nil, nil, usagef("no server is installed: make builds some, make install-peers and make peers-programs have the others")
	case len(servers) == 1:
		return nil, nil, usagef("%s alone is no comparison: make builds more servers, make install-peers and make peers-programs have the others",
			servers[0].Name)
	}
	return servers, missing, nil
}

func (o *peersOptions) run(cmd *cobra.Command) error {
	spec, err := o.spec(cmd.Flags().Changed)
	if err != nil {
		return err
	}
	dir, err := programDir()
	if err != nil {
		return err
	}
	servers, missing, err := o.choose(peers.Builtin(dir))
	if err != nil {
		return err
	}
	if o.out == "" {
		o.out = filepath.Join("out", "peers-"+time.Now().Format("20060102-150405"))
	}
	if err := checkOut(o.out, peers.FileName); err != nil {
		return err
	}
	if done, err := asRoot(cmd); done {
		return err
	}
	c := comparison{spec: spec, servers: servers, missing: missing, dir: o.out, loadgen: filepath.Join(dir, "loadgen")}
	if err := havePrograms("make bench-peers", c.loadgen); err != nil {
		return err
	}
	c.slots = spec.Slots(servers)
	c.progress = newProgress(cmd.ErrOrStderr(), spec.Blocks, len(c.slots), spec.Estimate(c.slots))
	if err := c.conduct(cmd.Context()); err != nil {
		return err
	}
	if err := writeReport(o.out, cmd.OutOrStdout(), peersReport); err != nil {
		return fmt.Errorf("%w (the records are whole: bench report %s)", err, o.out)
	}
	return nil
}

// peersReport makes the report files of a comparison of servers.
func peersReport(dir string) (table, error) {
	summary, err := peers.Write(dir)
	return summary.Table, err
}
