#!/bin/sh
# Installs packages of Debian or Ubuntu: scripts/debian.sh PACKAGE... Without any it does nothing.
set -eu
[ $# -gt 0 ] || exit 0
if ! command -v apt-get >/dev/null; then
	echo "$0: no apt-get here: install what these packages of Debian hold yourself: $*" >&2
	exit 1
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -y -qq --no-install-recommends "$@" >/dev/null
