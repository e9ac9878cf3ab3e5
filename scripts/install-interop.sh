#!/bin/sh
# Installs what the interop tests need beside Go: libtorrent with its Python bindings, from Debian or Ubuntu.
set -eu
if /usr/bin/python3 -c 'import libtorrent' 2>/dev/null; then
	exit 0
fi
if ! command -v apt-get >/dev/null; then
	echo "$0: no apt-get here: install the Python bindings of libtorrent 2 for /usr/bin/python3 yourself" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq python3-libtorrent >/dev/null
