package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"supernode/bench/lab"
	"supernode/bench/trial"
)

// otherServer is the flags that say what is measured in supernode's place, and what it is asked.
type otherServer struct {
	command string
	payload string
	replyAt int
	port    uint16
	ready   time.Duration
}

// dht is the payload that servers of the DHT are asked, and the only one that supernode answers.
const dht = "dht"

func (o *otherServer) register(f *pflag.FlagSet) {
	f.StringVar(&o.command, "server-cmd", "", "`COMMAND` of another server to measure, in the foreground; {addr} in it stands for ADDR:PORT, {host} and {port} for its parts, and no shell reads it")
	f.StringVar(&o.payload, "payload", dht, "what `PAYLOAD` that server is asked, as loadgen takes it: dht, bep15, dns:NAME or hex:BYTES with {seq} in them")
	f.IntVar(&o.replyAt, "reply-at", 0, "`OFFSET` of the four bytes of {seq} in the reply to a hex: payload (default as in the query)")
	f.Uint16Var(&o.port, "server-port", lab.ServerPort, "`PORT` on which the server answers")
	f.DurationVar(&o.ready, "ready-timeout", readyTimeout, "how long the server may take to its first answer")
}

// check finds what is wrong with the flags as far as that can be told here; setup.Check has the generator judge the payload.
func (o *otherServer) check(given func(flag string) bool) error {
	switch {
	case given("server-cmd") && strings.TrimSpace(o.command) == "":
		return usagef("--server-cmd: must not be empty")
	case o.ready <= 0:
		return usagef("--ready-timeout %v: must be more than 0", o.ready)
	case o.port == 0:
		return usagef("--server-port 0: must be 1 to 65535")
	case !given("server-cmd") && !given("remote") && !given("remote-cmd") && o.payload != dht:
		return usagef("--payload %s: supernode answers dht only: give the server that it is for with --server-cmd", o.payload)
	}
	return nil
}

// setup is what the flags make of a rig.
func (o *otherServer) setup(given func(flag string) bool, generator string) trial.Setup {
	s := trial.Setup{Server: o.command, Generator: generator, Ready: o.ready}
	if o.payload != dht {
		s.Payload = o.payload
	}
	if given("reply-at") {
		s.ReplyAt = &o.replyAt
	}
	return s
}

// judge has the generator find what is wrong with the payload, before a lab is built for it.
func judge(ctx context.Context, s trial.Setup, rate int) error {
	if s.Payload == "" && s.ReplyAt == nil {
		return nil
	}
	if err := s.Check(ctx, rate); err != nil {
		return usageError{err}
	}
	return nil
}
