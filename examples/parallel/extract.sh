#!/bin/sh
# extract.sh - features of many pictures by GNU parallel: one process a GPU,
# each on a shard of its own, joined at the end. Without a GPU, SLOTS processes
# share the cores.
#
#   ADDS_MODEL=~/clip ./extract.sh photos.adds ~/photos --levels 3
#
# What stands behind the pictures goes to adds-pyramid. In the environment:
#   SLOTS   processes at once       [the GPUs that nvidia-smi lists, else 2]
#   SHARDS  parts, at least SLOTS   [4 * SLOTS: a slow part holds up less]
#   INDEX   options of adds-index   [none], such as INDEX='--tags tags.json'
#
# What has been encoded is kept in OUT.cache, 16 GB of it at most (--cache and
# --cache-size behind the pictures say otherwise): started again after a failure,
# the script encodes what is missing, and a part that is current is left as it is
# without a picture being opened. The folder may go at any time.
#
# Several machines: the same command on each with ONLY='1 2 3' (shards of this
# machine), then once without on any of them.
set -eu

# one shard: this script again, started by parallel: --shard K SLOT OUT PICTURES option…
if [ "${1:-}" = --shard ]; then
	k=$2 slot=$3 out=$4 pictures=$5
	shift 5
	[ "$DEVICE" = cpu ] || DEVICE=cuda:$((slot - 1))
	# shellcheck disable=SC2086 # INDEX is a list of options
	adds-index ${INDEX:-} --shard "$k/$SHARDS" "$pictures" |
		adds-pyramid --device "$DEVICE" --threads "$THREADS" --cache "$out.cache" -o "$out.part-$k-of-$SHARDS" "$@"
	exit
fi

[ $# -ge 2 ] || { echo "usage: $0 OUT PICTURES [option of adds-pyramid]..." >&2; exit 2; }
out=$1
gpus=$(nvidia-smi -L 2>/dev/null | grep -c '^GPU') || gpus=0
SLOTS=${SLOTS:-$gpus}
[ "$SLOTS" -gt 0 ] || SLOTS=2
SHARDS=${SHARDS:-$((4 * SLOTS))}
DEVICE=${DEVICE:-$([ "$gpus" -gt 0 ] && echo cuda || echo cpu)}
cores=$(getconf _NPROCESSORS_ONLN)
THREADS=$((cores > SLOTS ? cores / SLOTS : 1))
export SHARDS DEVICE THREADS

# shellcheck disable=SC2086 # ONLY is a list of numbers
parallel --will-cite --halt soon,fail=1 --jobs "$SLOTS" --quote \
	"$0" --shard '{}' '{%}' "$@" ::: ${ONLY:-$(seq "$SHARDS")}
[ -z "${ONLY:-}" ] || exit 0

set --
for k in $(seq "$SHARDS"); do
	set -- "$@" "$out.part-$k-of-$SHARDS"
done
cat "$@" >"$out.tmp"
adds-cat --verify "$out.tmp" >&2
mv "$out.tmp" "$out"
rm "$@"
