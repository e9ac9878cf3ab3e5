#!/bin/sh
# Takes the profile by which the compiler optimises supernode: pgo.sh [SECONDS]
#
# A node on loopback answers as fast as it can, a realistic mix from 60,000 flows, built without a profile so that the
# new one owes nothing to the old. What the kernel does is of no interest here, only which of our functions call which.
# Go takes cmd/supernode/default.pgo without being told. Take it again when the hot path has changed; an old one is
# merely less good.
set -eu
cd "$(dirname "$0")/.."
seconds=${1:-20}
dir=$(mktemp -d)
node= load=
trap 'kill $node $load 2>/dev/null || true; rm -rf "$dir"' EXIT
go build -pgo=off -o "$dir/" ./cmd/supernode ./cmd/loadgen
"$dir/supernode" --listen 127.0.0.1:6871 --http 127.0.0.1:6870 --bootstrap none --state-dir none --rate-limit off \
	--log-level warn --priority normal --cpu 0 &
node=$!
"$dir/loadgen" --rate max --window 256 --flows 60000 --infohashes 200000 --zipf 1 --warmup 5s --duration $((seconds + 10))s \
	--cpu "$(($(nproc) - 1))" --quiet 127.0.0.1:6871 >/dev/null &
load=$!
sleep 7 # the tables fill
PPROF_TMPDIR=$dir go tool pprof -proto -seconds "$seconds" -output cmd/supernode/default.pgo http://127.0.0.1:6870/debug/pprof/profile >/dev/null 2>&1
ls -l cmd/supernode/default.pgo
