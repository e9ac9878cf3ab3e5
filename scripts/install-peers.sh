#!/bin/sh
# Installs the servers of other people that supernode and loadgen are measured with, as far as they are missing: from Debian or Ubuntu
# libtorrent with its Python bindings, Node.js, opentracker and dnsmasq; from the npm registry what the lock file pins. And
# dnsperf, the load generator that loadgen is compared with.
set -eu
cd "$(dirname "$0")/.."
PATH=$PATH:/usr/sbin
tracker=bench/peers/opentracker-server/debian

has() { command -v "$1" >/dev/null; }

packages=
/usr/bin/python3 -c 'import libtorrent' 2>/dev/null || packages="$packages python3-libtorrent"
has node || packages="$packages nodejs"
has npm || packages="$packages npm"
has dnsperf || packages="$packages dnsperf"
has dnsmasq || packages="$packages dnsmasq-base"
has opentracker || [ -x "$tracker/usr/bin/opentracker" ] || packages="$packages libowfat0"

# shellcheck disable=SC2086 # a list of words
scripts/debian.sh $packages

# Not installed but unpacked: Debian's package would start a tracker on this machine, now and at each boot.
if ! has opentracker && [ ! -x "$tracker/usr/bin/opentracker" ]; then
	mkdir -p "$tracker"
	(cd "$tracker" && apt-get download -qq -o APT::Sandbox::User=root opentracker && dpkg-deb -x opentracker_*.deb .)
fi

# npm leaves a copy of the lock file where it has installed what that says.
cd bench/peers/npm-server
if [ ! -e node_modules/.package-lock.json ] || [ package-lock.json -nt node_modules/.package-lock.json ]; then
	npm ci --silent --ignore-scripts --no-audit --no-fund
fi
