#!/bin/sh
# Installs from Debian the browser in which the tests look at the reports, if it is missing. Ubuntu's package of that name
# needs snapd: there, install Google's.
set -eu
if ! command -v chromium >/dev/null && ! command -v chromium-browser >/dev/null && ! command -v google-chrome >/dev/null; then
	if ! command -v apt-get >/dev/null; then
		echo "$0: no apt-get here: install Chromium yourself" >&2
		exit 1
	fi
	export DEBIAN_FRONTEND=noninteractive
	apt-get update -qq
	apt-get install -y -qq --no-install-recommends chromium >/dev/null
fi
