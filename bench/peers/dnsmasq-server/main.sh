#!/bin/sh
# Serves DNS with dnsmasq, alone (it asks no other server) and without what would slow it: for example.org it has an address.
#
#   dnsmasq-server ADDR:PORT (IPv4)
set -eu
if [ $# -ne 1 ]; then
	echo "dnsmasq-server: want one argument, the ADDR:PORT to listen on" >&2
	exit 1
fi
PATH=$PATH:/usr/sbin
if ! command -v dnsmasq >/dev/null; then
	echo "dnsmasq-server: dnsmasq is not installed: make install-peers installs it, or apt-get install dnsmasq-base" >&2
	exit 1
fi
exec dnsmasq --keep-in-foreground --conf-file=/dev/null --pid-file= --no-resolv --no-hosts --log-facility=- \
	--bind-interfaces --listen-address="${1%:*}" --port="${1##*:}" --address=/example.org/192.0.2.1
