#!/bin/sh
# submit.sh - the pipeline as Slurm jobs: shards in an array, a job that joins
# them when all are done, and one that trains on several GPUs when that is done.
#
#   ADDS_MODEL=/data/clip ./submit.sh labels.adds photos.adds /data/photos --levels 3
#
# What stands behind the pictures goes to adds-pyramid. In the environment:
#   SHARDS  tasks of the array, one GPU each  [8]
#   RANKS   of the training, one GPU each     [4]
#   RUN     its folder                        [run]
#   INDEX   options of adds-index; TRAIN: options of adds-train  [none]
# Files must lie where all nodes see them. Partition, account and time: sbatch
# takes them from SBATCH_PARTITION, SBATCH_ACCOUNT, SBATCH_TIMELIMIT.
set -eu
[ $# -ge 3 ] || { echo "usage: $0 LABELS OUT PICTURES [option of adds-pyramid]..." >&2; exit 2; }
here=$(cd "$(dirname "$0")" && pwd)
labels=$1 out=$2
shift
SHARDS=${SHARDS:-8}
export SHARDS

array=$(sbatch --parsable --array="1-$SHARDS" "$here/shard.sbatch" "$@")
join=$(sbatch --parsable --dependency="afterok:$array" --kill-on-invalid-dep=yes "$here/join.sbatch" "$out")
train=$(sbatch --parsable --dependency="afterok:$join" --kill-on-invalid-dep=yes --ntasks="${RANKS:-4}" \
	"$here/train.sbatch" "$labels" "$out" "${RUN:-run}")
echo "shards: $array, join: $join, training: $train"
