# mpi.t - training over MPI: ranks come to the bits of one process that
# accumulates, go on from each other's runs, and end together. Needs a build
# with MPI=1 and mpirun; ADDS_REQUIRE=mpi makes their absence a failure.
. ./cli/lib.sh
mkstream --kind labels --labels 60 --width 16 -o l.adds
mkstream --kind features --records 90 --labels 60 --positive 5 --width 16 --tokens 4 --ragged 1 -o f.adds

if ! grep -q MPI_Init_thread "$BUILD/adds-train"; then
	t 'one of several processes, built without MPI' 1 <<'X'
OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=0 adds-train -t l.adds -o no f.adds
X
	has err "adds-train: started as one of 2 processes that shall train together, but this program was built without MPI: build it with 'make MPI=1'*"
	t 'all but the first of them are silent' 1 <<'X'
OMPI_COMM_WORLD_SIZE=2 OMPI_COMM_WORLD_RANK=1 adds-train -t l.adds -o no f.adds
X
fi
missing=''
grep -q MPI_Init_thread "$BUILD/adds-train" || missing='this build is without MPI (make MPI=1 check has it)'
command -v mpirun >/dev/null || missing='no mpirun (make deps MPI=1 installs it)'
if [ "$missing" ]; then
	case ${ADDS_REQUIRE:-} in
	*mpi*)
		settle
		result 'not ok' "training over MPI: $missing"
		;;
	*) skip "training over MPI: $missing" ;;
	esac
	done_
	exit 0
fi

# a container: no binding, shared memory alone, as root, more ranks than cores
export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none OMPI_MCA_mpi_yield_when_idle=1
export OMPI_MCA_btl=self,vader OMPI_MCA_btl_vader_single_copy_mechanism=none
export OMPI_MCA_plm=isolated OMPI_MCA_oob_tcp_if_include=lo OMPI_MCA_orte_tmpdir_base="$scratch"
cat >ranks <<'X'
n=$1
shift
exec mpirun -q --allow-run-as-root --oversubscribe -n "$n" "$@"
X
# dropout, a budget that leaves labels out, a running mean, pictures of different sizes, a last batch that is short
o='-j1 --epochs 3 --batch 7 --dropout 0.1 --label-budget 30 --ema 0.9 --keep-every 2 --heads 2 -t l.adds'
d="--method decoder $o"
export o d
# two runs are the same, but for event files and the count of starts
cat >same <<'X'
for f in "$1"/*; do
	case $f in
	*/events* | */state*) ;;
	*) cmp "$f" "$2/${f##*/}" || exit 1 ;;
	esac
done
ls "$1" | grep -v events >same.a
ls "$2" | grep -v events >same.b
test -f "$1/final.safetensors" && cmp same.a same.b
X
# waits for line $2 of the log of run $1
cat >await <<'X'
while [ "$(cat "$1/log.jsonl" 2>/dev/null | wc -l)" -lt "$2" ]; do sleep .05; done
X

t 'the budget leaves labels out' 0 <<'X'
adds-train -q $d -o one f.adds && ! grep '"event":"step"' one/log.jsonl | grep -q '"labels":60'
X
t 'two ranks: every file of one process that accumulates two parts' 0 <<'X'
adds-train -q $d --accumulate 2 -o two f.adds && sh ranks 2 adds-train -q $d -o two.mpi f.adds && sh same two two.mpi
X
t 'other bits than those of one part, nearly the same loss' 0 <<'X'
! cmp -s one/final.safetensors two/final.safetensors || exit 1
grep -h '"event":"epoch"' one/log.jsonl two/log.jsonl | grep '"epoch":3' | grep -o '"loss":[0-9.]*' | cut -d: -f2 |
	awk '{ x[NR] = $1 } END { exit !(NR == 2 && x[1] / x[2] < 1.001 && x[2] / x[1] < 1.001) }'
X
t 'three ranks; three ranks that share five parts; one rank' 0 <<'X'
adds-train -q $d --accumulate 3 -o three f.adds && sh ranks 3 adds-train -q $d -o three.mpi f.adds && sh same three three.mpi || exit 1
adds-train -q $d --accumulate 5 -o five f.adds && sh ranks 3 adds-train -q $d --accumulate 5 -o five.mpi f.adds && sh same five five.mpi || exit 1
sh ranks 1 adds-train -q $d -o one.mpi f.adds && sh same one one.mpi
X
t 'features in their file, validation of its own, held-out labels: the same' 0 <<'X'
mkstream --kind features --records 40 --labels 60 --positive 20 --width 16 --tokens 3 --prefix v --seed 2 -o v.adds
printf 'label1\nlabel2\n' >hold
adds-train -q $d --accumulate 2 --val v.adds --holdout-labels hold -o val f.adds || exit 1
sh ranks 2 adds-train -q $d --memory 0 --val v.adds --holdout-labels hold -o val.mpi f.adds && sh same val val.mpi
X
t 'a pipe, ridge, decoder and their blend, over folds' 0 <<'X'
mkstream --kind features --records 420 --labels 60 --positive 5 --width 16 --tokens 2 --ragged 1 -o g.adds
adds-train -q $o --epochs 1 --batch 32 --accumulate 2 -o both g.adds || exit 1
cat g.adds | sh ranks 2 adds-train -q $o --epochs 1 --batch 32 -o both.mpi || exit 1
cmp g.adds both.mpi/features.adds && rm both.mpi/features.adds && cp both/config.json both.mpi && test -f both/blend.safetensors && sh same both both.mpi
X
t 'the ridge alone' 0 <<'X'
r="-q -j1 -t l.adds --method ridge"
adds-train $r --accumulate 2 -o ridge f.adds && sh ranks 2 adds-train $r -o ridge.mpi f.adds && sh same ridge ridge.mpi
X
t '--replace' 0 <<'X'
cp -r one again && sh ranks 2 adds-train -q $d --replace -o again f.adds && sh same two again
X
t 'rank 0 alone speaks' 0 <<'X'
sh ranks 3 adds-train -v $d --epochs 1 -o loud f.adds 2>said && [ "$(grep -c 'held out, on' said)" -eq 1 ] && [ "$(grep -c 'zero-shot  ' said)" -eq 1 ]
X
t '--help, once' 0 <<'X'
[ "$(sh ranks 2 adds-train --help | grep -c '^usage:')" -eq 1 ]
X

# ---- going on ----
t 'one process ended by a signal goes on as two ranks' 0 <<'X'
adds-train -q $d --epochs 6 --accumulate 2 -o long f.adds || exit 1
adds-train -q $d --epochs 6 --accumulate 2 --save-every 0 -o a f.adds &
sh await a 9 && kill -KILL $! && wait $!
sh ranks 2 adds-train -q --resume -o a && sh same long a
X
has err '*'
t 'ranks of which one is killed end, and one process goes on' 0 <<'X'
cat >noted <<'Y'
echo $$ >pid.$OMPI_COMM_WORLD_RANK
exec adds-train "$@"
Y
sh ranks 2 sh noted -q $d --epochs 6 --save-every 0 -o b f.adds &
sh await b 9 && kill -KILL "$(cat pid.1)"
wait $! && exit 1
adds-train -q --resume -o b && sh same long b
X
has err '*'
t 'a signal to one rank: all end the step, the state is written, ranks go on' 0 <<'X'
sh ranks 2 sh noted -q $d --epochs 6 --save-every 1000 -o c f.adds &
sh await c 9 && kill -TERM "$(cat pid.1)"
wait $! && exit 1
test -f c/state.safetensors && sh ranks 2 adds-train -q --resume -o c && sh same long c
X
has err '*'
t 'a signal while rank 0 fits the ridge: all end, nothing of it is kept, ranks begin it again' 0 <<'X'
mkstream --kind features --records 1500 --labels 60 --positive 5 --width 16 --tokens 1 -o r.adds
r='-q -j1 --method ridge -t l.adds'
sh ranks 2 sh noted $r -o stop r.adds &
sh await stop 1 && kill -TERM "$(cat pid.0)"
wait $! && exit 1
test ! -e stop/ridge.safetensors && test ! -e stop/final.safetensors && sh ranks 2 adds-train -q --resume -o stop &&
adds-train $r --accumulate 2 -o learnt r.adds && sh same learnt stop
X
has err '*'
t 'more ranks than the run has parts are refused' 1 <<'X'
rm a/final.safetensors
sh ranks 3 adds-train -q --resume -o a
X
has err 'adds-train: the gradients of a step come from 2 parts (--accumulate), too few for 3 ranks: start at most 2'

# ---- failing ----
lines() {
	[ "$(grep -c '' .err)" -eq 1 ] || bad="not one line on stderr"
}
t 'wrong usage, said once' 2 <<'X'
sh ranks 3 adds-train --no-such-option
X
has err "adds-train: unknown option '--no-such-option'
adds-train: 'adds-train --help' lists the options"
t 'a file that is not there, said once' 1 <<'X'
sh ranks 3 adds-train $d -o no not-there.adds
X
has err "adds-train: cannot read 'not-there.adds'*"
lines
t 'features that do not fit, said once; no folder is left' 1 <<'X'
mkstream --kind labels --labels 60 --width 8 -o w.adds
sh ranks 3 adds-train --method decoder -t w.adds -o no f.adds; s=$?
[ ! -e no ] && exit $s
X
has err "adds-train: *f.adds: record 0: tokens of width 16*"
lines
t 'no picture that validates, said once' 1 <<'X'
sh ranks 2 adds-train -q $d --val-split 0.0001 -o no f.adds
X
has err "adds-train: none of the 90 labelled pictures validates*"
lines
t '--replace, while what an earlier one kept stands there' 0 <<'X'
cp -r one old && mkdir -p old.old/x && sh ranks 2 adds-train -q $d --replace -o old f.adds && sh same two old && test ! -e old.old.2
X
t 'rank 0 cannot put a run into the place of another, when it is done' 1 <<'X'
(sh await old.new 3; rm old.new/config.json) &
sh ranks 2 adds-train -q $d --epochs 40 --replace -o old f.adds
X
has err "adds-train: *old.new/config.json*"
lines
t 'rank 1 cannot start' 1 <<'X'
cat >elsewhere <<'Y'
[ "$OMPI_COMM_WORLD_RANK" = 1 ] && set -- "$@" --device cuda:99
exec adds-train "$@"
Y
sh ranks 3 sh elsewhere $d -o no f.adds
X
has err "adds-train: rank 1: *[Cc][Uu][Dd][Aa]*"
lines
t 'rank 0 cannot write' 1 <<'X'
(sh await full 5; mkdir -p full/epoch-0020.safetensors/x) &
sh ranks 3 adds-train -q $d --epochs 5000 --keep-every 20 -o full f.adds
X
has err "adds-train: *full/epoch-0020.safetensors*"
lines
# on rank 1 alone the file f.adds is $1
cat >other <<'X'
file=$1
shift
[ "$OMPI_COMM_WORLD_RANK" = 1 ] && exec unshare -m sh -c 'mount --bind "$1" f.adds && shift && exec adds-train "$@"' sh "$file" "$@"
exec adds-train "$@"
X
if unshare -m mount --bind l.adds f.adds 2>/dev/null; then
	t 'rank 1 sees other features' 1 <<'X'
mkstream --kind features --records 90 --labels 60 --positive 5 --width 16 --tokens 4 --ragged 1 --seed 1 -o other.adds
sh ranks 2 sh other other.adds -q $d -o no f.adds
X
	has err "adds-train: rank 1: it reads other features*"
	lines
	t 'rank 1 cannot go on: its file is spoilt while it trains' 1 <<'X'
cp f.adds spoilt.adds
(sh await mid 20; dd if=/dev/zero of=spoilt.adds bs=100 seek=40 count=300 conv=notrunc 2>/dev/null) &
sh ranks 2 sh other spoilt.adds -q $d --memory 0 --epochs 5000 -o mid f.adds
X
	has err "adds-train: rank 1: *f.adds: record *"
	lines
else
	skip 'a file that rank 1 alone sees: no right to mount'
fi
done_
