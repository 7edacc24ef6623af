# parallel.t - the examples that split the work: GNU parallel, and Slurm by a
# sbatch and a srun of our own that start what they are given at once
. ./cli/lib.sh
export top
export ADDS_MODEL="$top/examples/mini_clip" INDEX="--tags $top/examples/shapes/organized_Tags.json"
mkdir few 'two words'
for i in 0001 0003 0005 0008 0014 0016 0019 0023 0027 0040 0041 0047; do
	cp "$top"/examples/shapes/train/$i.* few/
	cp "$top"/examples/shapes/train/$i.* 'two words/'
done
touch -d 2026-01-01 few/* two*/* # a file changed this second does not count as unchanged
# shellcheck disable=SC2086
adds-index $INDEX few | adds-pyramid -q --levels 1 -o whole.adds
adds-encode-text -q -o labels.adds "$top/examples/shapes/organized_Tags.json"
# the same pictures and tokens, in whatever order
cat >same <<'X'
for f in "$1" "$2"; do
	adds-cat --jsonl --values "$f" | grep '"record":"picture"' | sort >"$f.text" || exit 1
done
[ "$(grep -c '' "$1.text")" -eq 12 ] && cmp "$1.text" "$2.text"
X
t 'scripts are sound' 0 <<'X'
cd "$top/examples/parallel" && for f in *; do sh -n "$f" || exit 1; done
command -v shellcheck >/dev/null || exit 0
shellcheck ./*
X

if command -v parallel >/dev/null; then
	t 'GNU parallel: shards, joined, hold what one process writes' 0 <<'X'
SLOTS=2 SHARDS=3 DEVICE=cpu sh "$top/examples/parallel/extract.sh" split.adds few --levels 1 -q && sh same whole.adds split.adds && [ -z "$(ls | grep part)" ]
X
	has err '*'
	t 'a name with a space in it' 0 <<'X'
SLOTS=2 SHARDS=2 DEVICE=cpu sh "$top/examples/parallel/extract.sh" 'my photos.adds' 'two words' --levels 1 -q && adds-cat --verify 'my photos.adds' >/dev/null
X
	has err '*'
	t 'shards of this machine alone, then all of them' 0 <<'X'
export SLOTS=1 SHARDS=3 DEVICE=cpu
ONLY='1 3' sh "$top/examples/parallel/extract.sh" only.adds few --levels 1 -q && [ ! -e only.adds ] && [ ! -e only.adds.part-2-of-3 ] || exit 1
ls -i only.adds.part-1-of-3 >before
ONLY=2 sh "$top/examples/parallel/extract.sh" only.adds few --levels 1 -q && ls -i only.adds.part-1-of-3 >after && cmp before after || exit 1
sh "$top/examples/parallel/extract.sh" only.adds few --levels 1 -q && sh same whole.adds only.adds
X
	has err '*'
	t 'started again, the script encodes nothing' 0 <<'X'
export SLOTS=1 SHARDS=2 DEVICE=cpu
ONLY='1 2' sh "$top/examples/parallel/extract.sh" twice.adds few --levels 1 -v 2>log || exit 1
[ "$(sed -n 's/.*: \([0-9]*\) pictures* opened.*/\1/p' log | awk '{ n += $1 } END { print n }')" -eq 12 ] || exit 1
sh "$top/examples/parallel/extract.sh" twice.adds few --levels 1 -v 2>log && [ "$(grep -c ' is current: left as it is' log)" -eq 2 ] && sh same whole.adds twice.adds || exit 1
sh "$top/examples/parallel/extract.sh" twice.adds few --levels 1 -v 2>log && [ "$(grep -c ': 0 pictures opened, ' log)" -eq 2 ] && sh same whole.adds twice.adds
X
	t 'a shard that fails: nothing is joined' 1 <<'X'
SLOTS=2 SHARDS=2 DEVICE=cpu sh "$top/examples/parallel/extract.sh" failed.adds few --levels 1 --no-such-option || { [ ! -e failed.adds ] && exit 1; }
X
	has err '*no-such-option*'
else
	skip 'GNU parallel: not installed (apt-get install parallel)'
fi

# ---- Slurm ----
mkdir bin spool
cat >bin/sbatch <<'X'
#!/bin/sh
# sbatch - what Slurm's does with these options: a copy of the script, once for each task, in the order of dependencies
array='' after='' ntasks=4
while :; do
	case $1 in
	--parsable | --kill-on-invalid-dep=yes) ;;
	--array=*) array=${1#*=} ;;
	--dependency=afterok:*) after=${1##*:} ;;
	--ntasks=*) ntasks=${1#*=} ;;
	-*) echo "sbatch: unrecognized option '$1'" >&2; exit 1 ;;
	*) break ;;
	esac
	shift
done
head -1 "$1" | grep -q '^#!' && grep -q '^#SBATCH --job-name=' "$1" || exit 1
[ -z "$after" ] || [ -f "spool/done-$after" ] || { echo "sbatch: job $after did not end well" >&2; exit 1; }
id=$((41 + $(ls spool | grep -c '^job')))
cp "$1" "spool/job-$id"
shift
export SLURM_JOB_ID=$id SLURM_NTASKS=$ntasks SLURM_CPUS_PER_TASK=1
if [ "$array" ]; then
	for k in $(seq "${array%-*}" "${array#*-}"); do
		SLURM_ARRAY_TASK_ID=$k sh "spool/job-$id" "$@" >"spool/log-$id-$k" 2>&1 || exit 1
	done
else
	sh "spool/job-$id" "$@" >"spool/log-$id" 2>&1 || exit 1
fi
: >"spool/done-$id"
echo "$id"
X
cat >bin/srun <<'X'
#!/bin/sh
# srun - mpirun where this build has MPI, else one process
n=1
while :; do
	case $1 in
	--ntasks=*) n=${1#*=} ;;
	--*) ;;
	*) break ;;
	esac
	shift
done
if grep -q MPI_Init_thread "$BUILD/adds-train" && command -v mpirun >/dev/null; then
	exec mpirun -q --allow-run-as-root --oversubscribe -n "$n" "$@"
fi
exec "$@"
X
chmod +x bin/*
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1 OMPI_MCA_hwloc_base_binding_policy=none
export OMPI_MCA_btl=self,vader OMPI_MCA_btl_vader_single_copy_mechanism=none OMPI_MCA_plm=isolated OMPI_MCA_oob_tcp_if_include=lo
export OMPI_MCA_orte_tmpdir_base="$scratch" OMPI_MCA_rmaps_base_oversubscribe=1
t 'Slurm: an array of shards, their join, the training' 0 <<'X'
PATH=$PWD/bin:$PATH
SHARDS=3 RANKS=2 RUN=run TRAIN='--method decoder --epochs 1 --batch 4 --accumulate 2 --val-split 0' \
	sh "$top/examples/parallel/submit.sh" labels.adds slurm.adds few --levels 1 -q || { cat spool/log* >&2; exit 1; }
sh same whole.adds slurm.adds && [ -f run/final.safetensors ]
X
has out 'shards: 41, join: 42, training: 43'
t 'tasks that are started again: a part that is whole is left as it is, a half-made one is made anew, nothing is encoded' 0 <<'X'
PATH=$PWD/bin:$PATH SHARDS=3
export SHARDS
sbatch --array=1-3 "$top/examples/parallel/shard.sbatch" again.adds few --levels 1 -v >ids && ls -i again.adds.part* >before
sbatch --array=1-3 "$top/examples/parallel/shard.sbatch" again.adds few --levels 1 -v >>ids && ls -i again.adds.part* >after && cmp before after || exit 1
[ "$(cat spool/log-"$(tail -1 ids)"-* | grep -c ': 0 pictures opened, ')" -eq 3 ] || exit 1
[ "$(cat spool/log-"$(tail -1 ids)"-* | grep -c ' is current: left as it is$')" -eq 3 ] || exit 1
head -c 2000 again.adds.part-2-of-3 >half && mv half again.adds.part-2-of-3
sbatch --array=1-3 "$top/examples/parallel/shard.sbatch" again.adds few --levels 1 -v >>ids || exit 1
[ "$(cat spool/log-"$(tail -1 ids)"-* | grep -c ': 0 pictures opened, ')" -eq 3 ] || exit 1
[ "$(cat spool/log-"$(tail -1 ids)"-* | grep -c ' is current: left as it is$')" -eq 2 ] || exit 1
sbatch "$top/examples/parallel/join.sbatch" again.adds >>ids && sh same whole.adds again.adds
X
t 'the training is that of one process on the same features' 0 <<'X'
adds-train -q -t labels.adds --method decoder --epochs 1 --batch 4 --accumulate 2 --val-split 0 -o alone slurm.adds && cmp alone/final.safetensors run/final.safetensors
X
t 'a run that was ended is gone on with' 0 <<'X'
PATH=$PWD/bin:$PATH
rm run/final.safetensors && sbatch --parsable --ntasks=2 "$top/examples/parallel/train.sbatch" labels.adds slurm.adds run >/dev/null && cmp alone/final.safetensors run/final.safetensors
X
t 'without a shard there is no join' 1 <<'X'
PATH=$PWD/bin:$PATH
SHARDS=2 sh "$top/examples/parallel/submit.sh" labels.adds none.adds not-there --levels 1 || { [ ! -e none.adds ] && exit 1; }
X
done_
