#!/bin/sh
# Installs from Debian or Ubuntu what the tests of connection tracking compare the kernel with, as far as it is missing.
set -eu
packages=
for needed in nft:nftables iptables:iptables ip:iproute2 sysctl:procps; do
	command -v "${needed%:*}" >/dev/null || packages="$packages ${needed#*:}"
done
if [ -n "$packages" ]; then
	if ! command -v apt-get >/dev/null; then
		echo "$0: no apt-get here: install what these packages of Debian hold yourself:$packages" >&2
		exit 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	# shellcheck disable=SC2086 # a list of words
	apt-get install -y -qq --no-install-recommends $packages >/dev/null
fi
