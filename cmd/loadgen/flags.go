package main

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"supernode/internal/pin"
	"supernode/internal/udp"
)

// config is the command line.
type config struct {
	payload payload
	replyAt int

	params
	target  string
	sources prefix
	cpus    pin.List
	io      string
	hdr     string
	outputFiles
	nodesFile string
	quiet     bool
	floodOK   bool
	control   bool
}

const (
	maxInfohashes = 1 << 24
	maxZipf       = 20
	maxThreads    = 64

	helpWidth = "100" // the longest line of --help, in columns
)

// newCommand builds the command line. start is called with what was parsed and checked.
func newCommand(start func(*config) error) *cobra.Command {
	c := &config{}
	_ = c.mix.Set(defaultMix)
	c.rate, c.grace, c.arrivals = 1000, -1, arriveConstant
	cmd := &cobra.Command{
		Use:   "loadgen [flags] HOST:PORT",
		Short: "Ask a DHT node questions over UDP at a fixed rate, and measure its answers",
		Long: `Ask a DHT node (or, with --payload, another UDP server) questions over UDP at a fixed rate (or as fast as it
answers), and measure its answers.

Queries leave on a schedule that never waits for answers, and latency runs from the time a query was due.
Flows are distinct source addresses and ports. See docs/loadgen.md for what the numbers mean.`,
		Example: `  loadgen 127.0.0.1:6881
  loadgen --rate 100000 --flows 60000 --sources 198.18.0.0/15 --json - 192.168.1.2:6881
  loadgen --profile 1000@10s,1000..50000@30s --arrivals poisson --csv load.csv 127.0.0.1:6881
  loadgen --rate max --threads 4 --cpu 2-5 --window 1024 10.0.0.1:6881
  loadgen --rate max --window 512 --mix get_peers=1 --zipf 1 [::1]:6881
  loadgen --payload dns:example.org 127.0.0.1:53`,
		Version:       versionText(),
		SilenceUsage:  true,
		SilenceErrors: true,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) != 1 {
				return fmt.Errorf("want one target HOST:PORT, got %d arguments: see loadgen --help", len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c.target = args[0]
			if err := c.check(cmd.Flags().Changed); err != nil {
				return err
			}
			return start(c)
		},
		ValidArgsFunction: cobra.NoFileCompletions,
	}
	c.register(cmd)
	cmd.AddCommand(newMergeCommand())
	cmd.SetUsageTemplate(strings.ReplaceAll(cmd.UsageTemplate(), "Flags.FlagUsages ", "Flags.FlagUsagesWrapped "+helpWidth+" "))
	return cmd
}

func (c *config) register(cmd *cobra.Command) {
	f := cmd.Flags()
	f.SortFlags = false
	f.Var(&c.rate, "rate", "queries a second; max: as fast as answers come")
	f.DurationVar(&c.duration, "duration", 10*time.Second, "measured interval")
	f.DurationVar(&c.warmup, "warmup", time.Second, "time before the measured interval, at the same rate")
	f.DurationVar(&c.timeout, "timeout", 250*time.Millisecond, "a query without an answer for this long is lost")
	f.Var(&c.arrivals, "arrivals", "constant: evenly apart; poisson: at random, as from many who do not know of each other")
	f.Var(&c.profile, "profile", "rates one after the other, instead of --rate and --duration: "+profileForms)
	f.IntVar(&c.part.of, "threads", 1, "threads that send and receive, each with its own sockets and part of the flows, and on its own processor of --cpu, in order")
	f.IntVar(&c.window, "window", 1024, "with --rate max: queries outstanding")
	f.Var(&c.mix, "mix", "weight of each method")
	f.IntVar(&c.flows, "flows", 256, "distinct source addresses and ports")
	f.Var(&c.sources, "sources", "send from the addresses of this range, which must be this machine's")
	f.IntVar(&c.infohashes, "infohashes", 10_000, "distinct info_hashes")
	f.Float64Var(&c.zipf, "zipf", 0, "Zipf exponent of the info_hashes' popularity; 0: all alike")
	f.Uint64Var(&c.seed, "seed", 1, "of all that is random")
	f.Var(&c.cpus, "cpu", "run on these processors only, as in 0,2-3")
	f.StringVar(&c.io, "io", defaultIO, "mmsg: batched, Linux; packet: batched, past the kernel's UDP and IP on the way out, Linux, needs CAP_NET_RAW; xdp: on the way in as well, one thread, needs root or CAP_NET_RAW, CAP_NET_ADMIN and CAP_BPF; net: portable, one system call a datagram, a socket a flow")
	f.StringVar(&c.json, "json", "", "write the result as JSON to this file; -: to standard output, instead of the summary")
	f.StringVar(&c.hdr, "hdr", "", "write HdrHistogram data to this file; .hgrm: percentiles, else an interval log")
	f.StringVar(&c.csv, "csv", "", "write a row for each second, each part of --profile and the whole to this file; -: to standard output")
	f.StringVar(&c.benchfmt, "benchfmt", "", "write the result for benchstat to this file; -: to standard output")
	f.StringVar(&c.nodesFile, "nodes-file", "", "write the flows to this file as nodes: compact node info (BEP 5)")
	f.BoolVar(&c.quiet, "quiet", false, "no progress on standard error")
	f.BoolVar(&c.floodOK, "i-may-flood-this", false, "allow a public target: you have its owner's consent")
	f.BoolVar(&c.miss, "miss", false, "get_peers asks for info_hashes that nobody announces")
	f.BoolVar(&c.inOrder, "walk", false, "take flows and info_hashes one after the other, to fill a node with all of them")
	f.Var(&c.payload, "payload", "what to send: "+payloadForms)
	f.IntVar(&c.replyAt, "reply-at", 0, "with --payload hex: offset of the four bytes of {seq} in the reply (default as in the query)")
	f.BoolVar(&c.control, "control", false, "read trials from standard input, one JSON object a line")
	_ = cmd.RegisterFlagCompletionFunc("io", cobra.FixedCompletions(ioWays, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("payload", cobra.FixedCompletions([]string{"dht", "bep15", "dns:", "hex:"}, cobra.ShellCompDirectiveNoFileComp|cobra.ShellCompDirectiveNoSpace))
	_ = cmd.RegisterFlagCompletionFunc("mix", cobra.FixedCompletions([]string{defaultMix}, cobra.ShellCompDirectiveNoFileComp))
	_ = cmd.RegisterFlagCompletionFunc("arrivals", cobra.FixedCompletions([]string{"constant", "poisson"}, cobra.ShellCompDirectiveNoFileComp))
}

// check finds what is wrong with the flags together; each alone was checked when it was parsed.
func (c *config) check(given func(flag string) bool) error {
	if c.part.of < 1 || c.part.of > maxThreads {
		return fmt.Errorf("--threads %d: must be 1 to %d", c.part.of, maxThreads)
	}
	if c.profile != nil {
		for _, flag := range []string{"rate", "duration"} {
			if given(flag) {
				return fmt.Errorf("--%s: --profile says the rates and how long, leave one of them out", flag)
			}
		}
		c.follow(c.profile)
	}
	if err := c.params.check("--", c.timeout); err != nil {
		return err
	}
	switch {
	case !slices.Contains(ioWays, c.io):
		return fmt.Errorf("--io %q: must be mmsg, packet, xdp or net", c.io)
	case c.io == ioXDP && c.part.threads() > 1:
		return fmt.Errorf("--threads %d: --io xdp has one thread, as an interface has one XDP program: use --io packet", c.part.threads())
	case given("window") && c.rate != rateMax && !c.control:
		return errors.New("--window: only means something with --rate max, leave one of them out")
	case c.control && c.json != "":
		return errors.New("--json: with --control the results go to standard output, leave it out")
	case c.control && c.hdr != "":
		return errors.New("--hdr: with --control each result has its histogram, latency_hdr, leave it out")
	case c.control && c.csv+c.benchfmt != "":
		return errors.New("--csv, --benchfmt: with --control the results go to standard output as JSON, leave them out")
	}
	if err := oneOnStdout(c.outputFiles); err != nil {
		return err
	}
	return c.checkPayload(given)
}

// checkPayload finds what does not go with the payload.
func (c *config) checkPayload(given func(flag string) bool) error {
	p := &c.payload
	if p.foreign() {
		for _, flag := range []string{"mix", "infohashes", "zipf", "miss"} {
			if given(flag) {
				return fmt.Errorf("--%s: means nothing with --payload %s, leave one of them out", flag, p)
			}
		}
	}
	if err := p.fits(&c.params, "--", c.timeout); err != nil {
		return err
	}
	switch {
	case !given("reply-at"):
		return nil
	case p.name != "hex":
		return errors.New("--reply-at: only means something with --payload hex:BYTES, leave it out")
	case c.replyAt < 0 || c.replyAt > udp.MaxDatagram-p.size:
		return fmt.Errorf("--reply-at %d: must be 0 to %d", c.replyAt, udp.MaxDatagram-p.size)
	}
	p.replyAt = c.replyAt
	return nil
}

// prefix is a CIDR range, possibly none. It is a pflag.Value.
type prefix struct{ netip.Prefix }

func (p *prefix) Set(text string) error {
	parsed, err := netip.ParsePrefix(text)
	if err != nil {
		return errors.New("must be ADDRESS/BITS, as in 198.18.0.0/15")
	}
	if parsed.Addr().Is4In6() || parsed.Addr().IsUnspecified() || parsed.Addr().IsMulticast() {
		return errors.New("must be addresses of hosts")
	}
	p.Prefix = parsed
	return nil
}

func (p *prefix) String() string {
	if !p.IsValid() {
		return ""
	}
	return p.Prefix.String()
}

// Type is what the help calls the flag's value.
func (p *prefix) Type() string { return "CIDR" }
