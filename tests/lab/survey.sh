# survey.sh - runs in the guest: what journal-probe and journal_open say of
# each drive named in the arguments, on each layout, to three kinds of user.
#
# Leaves, for check.py:
#   DRIVE/id-ns, id-ctrl, feature-6	nvme-cli's JSON or number
#   DRIVE/sysfs				"name value" of the block device
#   DRIVE/LAYOUT/WHO.json, .err, .rc	journal-probe's
#   DRIVE/LAYOUT/WHO.open		"status method message" of tests/lab/commit,
#					with the best method, with nvme-flush
#					and, on some layouts, measured
#
# WHO is root; node: a user who may open the namespace's nodes; user: one who
# may not.  LAYOUT is a file system straight on the namespace, or
#   partition	ext4 on the second partition
#   dm-linear	ext4 on a dm-linear of the whole
#   raw		the namespace itself
#   raw-part	its second partition
# shellcheck shell=sh disable=SC2154 # guest.sh sets lab_*

layouts="ext4 xfs xfs-noreflink btrfs partition dm-linear raw raw-part"

identify()
{
	nvme id-ns "$node" -o json >"$1/id-ns"
	nvme id-ctrl "$node" -o json >"$1/id-ctrl"
	nvme get-feature "$node" -f 6 -s 0 >"$1/feature-6" 2>&1 || :
	for file in "/sys/block/${node#/dev/}/queue"/* \
		"/sys/block/${node#/dev/}"/*; do
		[ -f "$file" ] || continue
		value=$(head -n 1 "$file" 2>/dev/null) || continue
		echo "${file##*/} $value"
	done >"$1/sysfs"
}

partitioned()
{
	# Both begin at a multiple of 1 MiB.
	echo 'start=2048, size=8192
start=10240' | sed -e "s/=2048/=$((1048576 / bs))/" \
		-e "s/=10240/=$((5242880 / bs))/" -e "s/=8192/=$((4194304 / bs))/" |
		sfdisk -q --label gpt "$node"
	part=${node}p2
	wait_node "$part"
}

wait_node()
{
	for try in 1 2 3 4 5 6 7 8 9 10; do
		[ ! -b "$1" ] || return 0
		sleep 0.1
	done
	echo "there is no node $1" >&2
	return 1
}

# lay LAYOUT - $place is where a journal would live, $nodes what "node" may
# open.
lay()
{
	place=/mnt/$drive
	nodes="$node /dev/ng${node#/dev/nvme}"
	case $1 in
	partition)
		partitioned
		make_fs ext4 "$part" "$place" ;;
	dm-linear)
		dmsetup create "$drive" --table \
			"0 $(blockdev --getsz "$node") linear $node 0"
		nodes="$nodes $(readlink -f "/dev/mapper/$drive")"
		make_fs ext4 "/dev/mapper/$drive" "$place" ;;
	raw)
		wipefs -q -a "$node"
		place=$node ;;
	raw-part)
		partitioned
		nodes="$nodes $part"
		place=$part ;;
	*)
		make_fs "$1" "$node" "$place" ;;
	esac
	[ ! -d "$place" ] || chmod 777 "$place"
}

unlay()
{
	[ ! -d "$place" ] || umount "$place"
	case $1 in
	dm-linear) dmsetup remove --retry "$drive" ;;
	raw-part|partition) sfdisk -q --delete "$node" && wipefs -q -a "$node" ;;
	esac
}

# as WHO COMMAND...
as()
{
	who=$1
	shift
	case $who in
	root) "$@" ;;
	*) as_user "$@" ;;
	esac
}

ask()
{
	mode=600
	[ "$1" != node ] || mode=666
	for file in $nodes; do
		[ ! -e "$file" ] || chmod "$mode" "$file"
	done
	rc=0
	as "$1" journal-probe --json "$place" >"$dir/$1.json" \
		2>"$dir/$1.err" || rc=$?
	echo "$rc" >"$dir/$1.rc"
	: >"$dir/$1.open"
	for method in best nvme-flush; do
		journal=$place
		[ ! -d "$place" ] || journal=$place/$1-$method
		rc=0
		as "$1" commit write "$journal" "$method" caller 2 100 \
			>"$dir/said" 2>&1 || rc=$?
		echo "$rc $method $(grep -e '^open ' -e '^refused: ' \
			"$dir/said" | head -n 1)" >>"$dir/$1.open"
	done
	# Takes seconds each: where it is a question, and one where it is not.
	case ${dir##*/} in
	ext4|raw|raw-part)
		journal=$place
		[ ! -d "$place" ] || journal=$place/$1-measure
		rc=0
		as "$1" commit write "$journal" measure - 2 100 \
			>"$dir/said" 2>&1 || rc=$?
		echo "$rc measure $(grep -e ' us alone' -e '^refused: ' \
			"$dir/said" | head -n 1)" >>"$dir/$1.open" ;;
	esac
	rm "$dir/said"
}

survey()
{
	node=$(drive "$drive")
	bs=$(cat "/sys/block/${node#/dev/}/queue/logical_block_size")
	mkdir -p "/lab/out/$drive"
	identify "/lab/out/$drive"
	for layout in $layouts; do
		dir=/lab/out/$drive/$layout
		mkdir "$dir"
		lay "$layout"
		for who in root node user; do
			ask "$who"
		done
		unlay "$layout"
	done
}

# Two that load the same module at a time get in each other's way.
for module in dm-mod ext4 xfs btrfs; do
	modprobe "$module"
done
# Side by side: the processors are slow.
jobs=
for drive; do
	survey >"/lab/out/log-$drive" 2>&1 &
	jobs="$jobs $!"
done
for job in $jobs; do
	wait "$job" || {
		tail -n 5 /lab/out/log-*
		exit 1
	}
done
