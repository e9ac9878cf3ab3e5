#!/bin/sh
# Says whether connection tracking is there and awake, as after a reboot without it: conntrack-verify.sh
# Exit status: 0 it is not there, or has tracked nothing; 1 it is tracking. ROOT=DIR reads below DIR.
set -eu
if [ $# -gt 0 ]; then
	echo "usage: $0" >&2
	exit 2
fi
count=${ROOT:-}/proc/sys/net/netfilter/nf_conntrack_count
if ! [ -e "$count" ]; then
	echo "connection tracking is not loaded"
	exit 0
fi
entries=$(cat "$count")
if [ "$entries" -eq 0 ]; then
	echo "connection tracking is in the kernel, and no flow here has an entry"
	exit 0
fi
echo "connection tracking is awake: $entries entries; kept loaded by:"
ls "${ROOT:-}/sys/module/nf_conntrack/holders" 2>/dev/null || echo "(built in, so that only rules matter)"
echo "rules that ask for it (needs root):"
nft list ruleset 2>/dev/null | grep -nE '(^|[[:space:]])ct |masquerade|[sd]nat|redirect' || echo "(none found with nft)"
echo "for one port: supernode doctor"
exit 1
