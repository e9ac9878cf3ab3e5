#!/bin/sh
# Installs from Debian or Ubuntu what the tests of connection tracking compare the kernel with, as far as it is missing.
set -eu
packages=
for needed in nft:nftables iptables:iptables ip:iproute2 sysctl:procps; do
	command -v "${needed%:*}" >/dev/null || packages="$packages ${needed#*:}"
done
# shellcheck disable=SC2086 # a list of words
"$(dirname "$0")/debian.sh" $packages
