# make                    bin/supernode, bin/loadgen, bin/bench, and two servers to measure beside: static binaries
# make test               the whole test suite (needs root for the network namespaces it makes)
# make soak               half an hour of attacks on a node that honest hosts use (SOAK=8h for longer; needs root)
# make bench-conntrack    what does connection tracking cost on this machine? Prints where the report is (needs root)
# make bench-selftest     do the measurements find a slow-down that is there, and none that is not? Two hours (needs root)
# make bench-peers        supernode beside other DHT servers, a quarter of an hour (needs root; make install-peers has them)
# make bench-regress      is HEAD slower than BASE? Eight minutes (BASE=origin/main for another base; more is compared as root)

GO      ?= go
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo dev)

export CGO_ENABLED = 0

.DEFAULT_GOAL := all
.PHONY: all test check soak fuzz bench bench-conntrack bench-peers bench-load bench-generators pgo test-interop install-interop clean

all:
	$(GO) build -trimpath -ldflags '-s -w -X main.version=$(VERSION)' -o bin/ ./cmd/supernode ./cmd/loadgen ./bench \
		./bench/peers/anacrolix-server ./bench/peers/null-server

# What measures has both processors to itself, as far as it is up to us.
test: check
	$(GO) test $$($(GO) list ./... | grep -v '^supernode/bench')
	$(GO) test -p 1 ./bench/...
	cd interop && $(GO) test -run TestAnacrolix -count=1 ./...

# What a machine can judge of the source.
check:
	@unformatted=$$(gofmt -l $$(git ls-files '*.go')); \
	if [ -n "$$unformatted" ]; then echo "not formatted, run gofmt -w on:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	GOARCH=386 $(GO) vet ./dht/... ./cmd/supernode ./cmd/loadgen ./internal/...
	$(GO) tool staticcheck ./...
	cd interop && $(GO) vet ./...

# Clients from Debian download through the node, libraries from Debian and npm leave things in it. Most of them wait most
# of the time, and do so side by side.
test-interop: install-interop
	cd interop && $(GO) test -skip '^TestAnacrolix' -parallel 16 -count=1 -v ./...

install-interop:
	scripts/install-interop.sh

.PHONY: install-peers
install-peers:
	scripts/install-peers.sh

SOAK ?= 30m
soak:
	SOAK=$(SOAK) $(GO) test ./cmd/supernode -run TestSiege -count=1 -timeout 0 -v

# Every fuzz target for FUZZTIME.
FUZZTIME ?= 1m
fuzz:
	scripts/fuzz.sh $(FUZZTIME)

# In-process benchmarks, in the format benchstat reads.
bench:
	$(GO) test -run '^$$' -bench . -benchmem ./dht/... ./internal/udp/ ./cmd/supernode/

bench-conntrack: all
	bin/bench conntrack

bench-peers: peers-programs
	bin/bench peers

# Beside the node, servers of other people: a program each in bin, or a link to the script that runs it. Without a package
# manager or a network those are measured that are there.
.PHONY: peers-programs
peers-programs: all
	@scripts/install-peers.sh || echo "make: not all servers could be installed, the others are measured" >&2
	ln -sf ../bench/peers/dnsmasq-server/main.sh bin/dnsmasq-server
	ln -sf ../bench/peers/libtorrent-server/main.py bin/libtorrent-server
	ln -sf ../bench/peers/npm-server/main.js bin/npm-server
	ln -sf ../bench/peers/opentracker-server/main.sh bin/opentracker-server

# From rest to overload, beside a server that does nothing.
bench-load: all
	bin/bench load

# loadgen's ways to send, side by side, and dnsperf where it is installed (make install-peers has it).
bench-generators: all
	bin/bench generators

# One revision against another: BASE=HEAD~5 make bench-regress, REGRESS='--head . --short' for what is not committed yet.
.PHONY: bench-regress
bench-regress: all
	bin/bench regress $(if $(BASE),--base $(BASE)) $(REGRESS)

# Do the measurements find a slow-down that is known to be there, and none where there is none? Two hours.
# REPS are the repetitions of each self-test. make bench-noise says how long slices should be on this machine.
REPS ?= 20
.PHONY: bench-selftest bench-noise burn-programs
bench-selftest: burn-programs
	bin/bench conntrack --self-test --reps $(REPS)
	bin/bench selftest regress --reps $(REPS)

bench-noise: burn-programs
	bin/bench selftest noise

# A supernode that can be told to waste time (--burn); nothing of that is in the others.
burn-programs: all
	$(GO) build -trimpath -tags burn -ldflags '-s -w -X main.version=$(VERSION)' -o bin/supernode-burn ./cmd/supernode

# The profile by which the compiler optimises supernode.
pgo:
	scripts/pgo.sh

clean:
	rm -rf bin out
