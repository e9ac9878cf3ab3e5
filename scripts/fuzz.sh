#!/bin/sh
# Runs every fuzz target of the module for a while each: fuzz.sh [TIME]
set -eu
cd "$(dirname "$0")/.."
time=${1:-1m}
for package in $(go list ./...); do
	for target in $(go test -list '^Fuzz' "$package" | grep '^Fuzz' || true); do
		echo "$package $target"
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 100x "$package"
	done
done
