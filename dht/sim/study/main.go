// Command study simulates a DHT of ordinary clients that come and go, without and with a supernode, and prints what
// became of the announces and searches. It needs no network and no privileges; the same flags give the same figures.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/pprof"
	"time"

	"supernode/dht"
	"supernode/dht/sim"
)

func main() {
	if err := run(os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "study:", err)
		os.Exit(2)
	}
}

func run(args []string, out io.Writer) error {
	s := sim.Study{Network: sim.Config{Delay: 15 * time.Millisecond}}
	flags := flag.NewFlagSet("study", flag.ContinueOnError)
	flags.IntVar(&s.Clients, "clients", 20_000, "ordinary clients on the network")
	flags.Float64Var(&s.Churn, "churn", 0.3, "share of them that leave in an hour; as many join")
	flags.Float64Var(&s.NAT, "nat", 0.3, "share of them behind a NAT")
	flags.Float64Var(&s.Network.Loss, "loss", 0.05, "share of the datagrams that are lost")
	flags.DurationVar(&s.Network.Jitter, "jitter", 100*time.Millisecond, "uniform part of the one-way delay, above 15 ms")
	flags.DurationVar(&s.Network.Tail, "tail", 30*time.Millisecond, "mean of its exponential part")
	flags.IntVar(&s.Torrents, "torrents", 2000, "info_hashes announced, by one client each")
	flags.Float64Var(&s.Searches, "searches", 2, "searches a second")
	flags.DurationVar(&s.WarmUp, "warm-up", 30*time.Minute, "time before the first search")
	flags.DurationVar(&s.Duration, "duration", 2*time.Hour, "time of searches")
	flags.Uint64Var(&s.Network.Seed, "seed", 1, "of all randomness")
	super := flags.String("supernode", "both", "in the network: with, without, both (one after the other)")
	profile := flags.String("cpuprofile", "", "write a CPU profile to this `file`")
	flags.SetOutput(out)
	if err := flags.Parse(args); errors.Is(err, flag.ErrHelp) {
		return nil
	} else if err != nil {
		return err
	}
	if *super != "with" && *super != "without" && *super != "both" {
		return fmt.Errorf("--supernode %s: must be with, without or both", *super)
	}
	if *profile != "" {
		f, err := os.Create(*profile)
		if err != nil {
			return err
		}
		defer f.Close()
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	fmt.Fprintf(out, "%d clients, %.0f %% churn an hour, %.0f %% of datagrams lost, %.0f %% behind NAT, %v after %v of warm-up\n",
		s.Clients, 100*s.Churn, 100*s.Network.Loss, 100*s.NAT, s.Duration, s.WarmUp)
	if *super != "with" {
		if err := arm(out, s, "without supernode"); err != nil {
			return err
		}
	}
	if *super != "without" {
		s.Supernode = &dht.Config{}
		return arm(out, s, "with one supernode")
	}
	return nil
}

// arm runs one study and prints its part of the table.
func arm(out io.Writer, s sim.Study, name string) error {
	start := time.Now()
	r, err := s.Run()
	if err != nil {
		return err
	}
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	fmt.Fprintf(out, "\n%s: %v, %d MB, %d M datagrams, trace %016x\n", name,
		time.Since(start).Round(time.Second), m.Sys>>20, r.Sent/1e6, r.Trace)
	fmt.Fprintf(out, "  %d clients joined; they know %.0f nodes each; %d announces, stored by %.1f nodes each\n",
		r.Joined, r.Contacts, r.Announces, r.Stored)
	if s.Supernode != nil {
		fmt.Fprintf(out, "  the supernode knows %d nodes and %d peers\n", r.Super.Nodes4, r.Super.Peers)
	}
	fmt.Fprintf(out, "  %-22s %9s %8s  %-18s %-23s %8s %6s\n", "searches", "", "found", "hops", "first peer, ms", "queries", "met")
	fmt.Fprintf(out, "  %-22s %9s %8s  %5s %5s %5s  %7s %7s %7s %8s %6s\n", "", "count", "%", "mean", "p50", "p90", "p50", "p90", "p99", "each", "%")
	row(out, "by a client", &r.Plain)
	if s.Supernode != nil {
		row(out, "asking the supernode", &r.Told)
		row(out, "by the supernode", &r.Own)
	}
	return nil
}

func row(out io.Writer, name string, k *sim.Searches) {
	hops := 0
	for _, h := range k.Hops {
		hops += h
	}
	ms := func(q float64) int64 { return sim.Quantile(k.First, q).Milliseconds() }
	fmt.Fprintf(out, "  %-22s %9d %8.2f  %5.2f %5d %5d  %7d %7d %7d %8.1f %6.1f\n", name, k.Count, 100*k.Rate(),
		float64(hops)/float64(max(1, k.Found)), sim.Quantile(k.Hops, 0.5), sim.Quantile(k.Hops, 0.9),
		ms(0.5), ms(0.9), ms(0.99), float64(k.Asked)/float64(max(1, k.Count)), 100*float64(k.Met)/float64(max(1, k.Count)))
}
