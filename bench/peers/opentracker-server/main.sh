#!/bin/sh
# Serves BEP 15 with opentracker, for measuring it beside supernode: as an open neighbour whose protocol is simpler than
# the DHT's. It answers connect; Debian builds it to serve listed info_hashes only, and there is no list here.
#
#   opentracker-server ADDR:PORT (IPv4)
set -eu
if [ $# -ne 1 ]; then
	echo "opentracker-server: want one argument, the ADDR:PORT to listen on" >&2
	exit 1
fi
here=$(dirname "$(readlink -f "$0")")
program=$(command -v opentracker || echo "$here/debian/usr/bin/opentracker")
if [ ! -x "$program" ]; then
	echo "opentracker-server: opentracker is not installed: make install-peers fetches it" >&2
	exit 1
fi
# It gives up root's privileges and its place in the file system for those of nobody, where it has them.
cd "$here"
exec "$program" -i "${1%:*}" -P "${1##*:}" >&2
