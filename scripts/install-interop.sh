#!/bin/sh
# Installs what the interop tests need beside Go, as far as it is missing: from Debian or Ubuntu libtorrent with its
# Python bindings, aria2, Transmission and Node.js; from the npm registry what interop/npm/package-lock.json pins.
set -eu
cd "$(dirname "$0")/.."

has() { command -v "$1" >/dev/null; }

packages=
/usr/bin/python3 -c 'import libtorrent' 2>/dev/null || packages="$packages python3-libtorrent"
has aria2c || packages="$packages aria2"
has transmission-cli || packages="$packages transmission-cli"
has node || packages="$packages nodejs"
has npm || packages="$packages npm"

# shellcheck disable=SC2086 # a list of words
scripts/debian.sh $packages

# npm leaves a copy of the lock file where it has installed what that says.
cd interop/npm
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
	npm ci --silent --ignore-scripts --no-audit --no-fund
fi
