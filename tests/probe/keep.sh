# tests/probe/keep.sh - a machine, kept as tests/probe/machines/*.machine;
# sourced, here and in the laboratory's guests.
#
# shellcheck shell=sh

# unmount what is at $work/m.  A ring that has just been closed may hold its
# files for a moment.
gone() {
	for try in 1 2 3 4 5 6 7 8 9; do
		umount "$work/m" 2>/dev/null && return 0
		sleep 0.2
	done
	umount "$work/m"
}

# keep NAME HOW PATH [COMMAND...]: the dump of PATH to $machines/NAME.machine,
# with HOW as its second line, as COMMAND runs $probe.
#
# Only the mounts that matter are kept, and the kernel's local version is left
# out: neither is anybody's business.  Nor is $work: it is called /srv/journal
# there, and $work/m, where things are mounted, /mnt.
keep() {
	name=$1
	how=$2
	path=$3
	shift 3
	"$@" "$probe" --dump=- "$path" >"$work/dump" || [ $? -eq 1 ]
	awk -v how="$how" -v work="$work" '
		{ gsub(work "/m", "/mnt"); gsub(work, "/srv/journal") }
		NR == 1 { print; print "# " how; next }
		/^(file|link|list|call|try|nvme) / { question = $0 }
		question ~ /osrelease$/ && /^= / { sub(/[+-][^ ]*$/, "") }
		question == "call uname" && /^= release / { sub(/[+-][^ ]*$/, "") }
		question ~ /mountinfo$/ && /^= / &&
			$6 !~ /^\/(proc|sys|dev|mnt)?$/ { next }
		{ print }' "$work/dump" >"$machines/$name.machine"
	echo "$name: $how"
}
