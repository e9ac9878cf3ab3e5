#!/bin/sh
# Keeps connection tracking from being loaded, from the next boot on: conntrack-disable.sh [--undo]
# For machines whose kernel has it as a module, and that need no stateful firewall, NAT or containers with published
# ports. ROOT=DIR writes below DIR.
set -eu
file=${ROOT:-}/etc/modprobe.d/supernode-conntrack.conf
builtin=${ROOT:-}/lib/modules/$(uname -r)/modules.builtin

case ${1-} in
--undo)
	rm -f "$file"
	echo "removed $file"
	;;
'')
	if ! [ -e "$builtin" ]; then
		echo "$0: $builtin is not there, so this kernel has no modules: nothing to disable, see supernode doctor" >&2
		exit 1
	fi
	if grep -q '/nf_conntrack\.ko' "$builtin"; then
		echo "$0: this kernel has connection tracking built in; it sleeps until a rule asks for it, see supernode doctor" >&2
		exit 1
	fi
	# "blacklist" alone only hides aliases: a rule that needs the module still loads it by its name.
	mkdir -p "${file%/*}"
	printf 'blacklist nf_conntrack\ninstall nf_conntrack /bin/false\n' >"$file"
	echo "wrote $file"
	;;
*)
	echo "usage: $0 [--undo]" >&2
	exit 2
	;;
esac

if [ -z "${ROOT:-}" ] && command -v update-initramfs >/dev/null; then
	update-initramfs -u
fi
echo "reboot now, and then run scripts/conntrack-verify.sh"
