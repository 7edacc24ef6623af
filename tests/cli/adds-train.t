# adds-train.t - training: its options, inputs, its folder, and going on after all kinds of ends
. ./cli/lib.sh
. "$top/tests/cli/usual.sh"
export top
unset ADDS_MODEL
mkstream --kind labels --labels 12 --width 16 -o l.adds
mkstream --kind labels --labels 12 --width 16 --model other-model -o o.adds
mkstream --kind features --records 90 --labels 12 --width 16 --tokens 4 --ragged 1 -o f.adds
mkstream --kind features --records 90 --labels 12 --width 16 --tokens 4 --ragged 1 --seed 1 -o other.adds
mkstream --kind features --records 40 --labels 12 --width 16 --tokens 3 --prefix v --seed 2 -o v.adds
# the decoder alone, and few steps: what is tested here is the running, not the learning
o='--method decoder --epochs 3 --batch 16 -t l.adds'
export o
# two runs hold the same, but for their event files, the paths in their configs and the count of starts in their states
cat >same.sh <<'X'
for f in "$1"/*; do
	b=$(basename "$f")
	case $b in
	events* | state* | config.json) ;;
	*) cmp "$f" "$2/$b" || exit 1 ;;
	esac
done
ls "$1" | grep -v events >same.a
ls "$2" | grep -v events >same.b
test -f "$1/final.safetensors" && cmp same.a same.b
X
# runs the rest of the line until the log has so many lines, then sends the signal; its status is that of the program
cat >slow.sh <<'X'
n=$1 sig=$2 log=$3
shift 3
exec 3<&0
"$@" <&3 2>err.slow &
pid=$!
while [ "$(cat "$log" 2>/dev/null | wc -l)" -lt "$n" ] && kill -0 $pid 2>/dev/null; do :; done
kill -"$sig" $pid 2>/dev/null
wait $pid
X

usual_options adds-train --epochs
usual_input adds-train "-q $o -o run.usual" f.adds
t 'a failed start leaves no folder' 1 <<'X'
test -e run.usual
X

# ---- mistakes, before a picture is waited for ----
t 'no labels and no model' 2 <<'X'
adds-train f.adds
X
has err 'adds-train: labels are needed: -t FILE, or -m PATH*'
t 'a model that is not there' 1 <<'X'
adds-train -m not-there f.adds
X
has err '*not-there*'
t 'folders instead of files: what to give' 0 <<'X'
mkdir folder && cp l.adds folder/labels.adds
adds-train -t folder -o run.none f.adds; test $? -eq 1 || exit
adds-train -t l.adds -o run.none folder; test $? -eq 1 || exit
adds-train -t l.adds --val folder -o run.none f.adds; test $? -eq 1 || exit
adds-train -t l.adds --holdout-labels folder -o run.none f.adds; test $? -eq 1 && test ! -e run.none
X
has err "adds-train: 'folder' is a folder, and a stream of labels (from adds-encode-text) is needed: give 'folder/labels.adds'?adds-train: 'folder' is a folder, and a stream of features (from adds-pyramid) is needed?adds-train: 'folder' is a folder, and a stream of features (from adds-pyramid) is needed?adds-train: 'folder' is a folder, and a list of names is needed"
t 'a label stream that is not there is noticed before the pipe is read' 0 <<'X'
mkfifo never
(sleep 10 >never) &
adds-train -t not-there.adds <never
test $? -eq 1 && kill $!
X
has err "adds-train: cannot read 'not-there.adds': No such file or directory"
t 'a header that does not fit is refused before the rest of the pipe has come' 0 <<'X'
mkfifo late
(head -c 12000 f.adds; sleep 10) >late &
adds-train --method decoder -t o.adds -o early <late
test $? -eq 1 && test ! -e early && kill $!
X
has err "adds-train: <stdin>: *come from model 'test-model'*"
t 'a device that is none' 2 <<'X'
adds-train $o --device abacus f.adds
X
has err '*abacus*'
t 'two inputs' 2 <<'X'
adds-train $o f.adds v.adds
X
has err '*one feature stream, not 2*'
adds-cat --head 0 -o nothing.adds f.adds
t 'no picture to train on' 1 <<'X'
adds-train $o -o no nothing.adds
X
has err '*nothing.adds: no labelled picture to train on'
t 'no picture to validate on' 1 <<'X'
adds-train $o --val nothing.adds -o no f.adds
X
has err '*nothing.adds: no labelled picture to validate on'
t '--val and --val-split' 2 <<'X'
adds-train $o --val v.adds --val-split .1 f.adds
X
has err '*cannot both be given*'
t 'labels of another model' 1 <<'X'
adds-train --method decoder -t o.adds -o no f.adds
X
has err "*f.adds: its features come from model 'test-model', the label stream from 'other-model'*"
t 'labels of another width' 1 <<'X'
mkstream --kind labels --labels 12 --width 8 -o w.adds
adds-train --method decoder -t w.adds -o no f.adds
X
has err '*f.adds: record 0: tokens of width 16, the label stream*8*'
t 'features where labels belong' 1 <<'X'
adds-train --method decoder -t f.adds -o no f.adds
X
has err '*f.adds*labels*'
mkstream --kind labels --labels 8 --width 16 -o few.adds
t 'labels that the stream lacks are counted and named' 0 <<'X'
adds-train --method decoder --epochs 1 -t few.adds -o few f.adds
X
has err "*f.adds: 4 labels of the pictures are not in the label stream and ignored: 'label8', 'label9', 'label10', ...*mAP*"
t '--strict refuses them' 1 <<'X'
adds-train --method decoder --strict -t few.adds -o no f.adds
X
has err "*4 labels of the pictures ('label8', 'label9', 'label10', ...) are not in the label stream*"
t 'heads that do not divide the width' 1 <<'X'
adds-train $o --heads 3 -o no f.adds
X
has err '*--heads 3 does not divide*16*'

# ---- a run ----
t 'a run says what came out, on standard error alone' 0 <<'X'
adds-train $o --keep-every 2 -o whole f.adds >product && test ! -s product
X
has err '*mAP*zero-shot*DM-decoder*the best is *whole/best.safetensors*'
t 'its folder' 0 <<'X'
cd whole && ls best.safetensors best-acc-0.6.safetensors best-acc-0.7.safetensors best-acc-0.8.safetensors best-acc-0.9.safetensors \
	config.json curves.svg epoch-0002.safetensors events.out.tfevents.* final.safetensors labels.adds last.safetensors log.jsonl \
	state.safetensors state-1.safetensors >/dev/null && cmp labels.adds ../l.adds
X
t 'its log: zero-shot is epoch 0, then steps and epochs' 0 <<'X'
head -n 1 whole/log.jsonl | grep -q '"epoch":0,"event":"epoch".*"method":"zero-shot"' &&
test "$(grep -c '"event":"step"' whole/log.jsonl)" -eq $((3 * $(grep '"event":"step"' whole/log.jsonl | grep -c '"epoch":1'))) &&
test "$(grep -c '"event":"epoch"' whole/log.jsonl)" -eq 4
X
t 'one thread, features left in their file, a pipe: the same bits' 0 <<'X'
adds-train -q $o --keep-every 2 -j1 -o one f.adds && sh same.sh whole one &&
adds-train -q $o --keep-every 2 --memory 0 -o file f.adds && sh same.sh whole file &&
cat f.adds | adds-train -q $o --keep-every 2 -o pipe && cmp f.adds pipe/features.adds && rm pipe/features.adds && sh same.sh whole pipe
X
t 'another seed: other bits' 1 <<'X'
adds-train -q $o --seed 1 -o seed1 f.adds && cmp -s seed1/final.safetensors whole/final.safetensors
X
t 'the checkpoint evaluates' 0 <<'X'
adds-eval -q -t whole/labels.adds -c whole/best.safetensors -o scores.adds v.adds && test -s scores.adds
X
t '--val: a stream of its own, also through a named pipe' 0 <<'X'
adds-train -q $o --val v.adds -o val f.adds && mkfifo p && (cat v.adds >p &) && adds-train -q $o --val p -o valpipe f.adds &&
cmp v.adds valpipe/val.adds && rm valpipe/val.adds && sh same.sh val valpipe
X
t '--val-split 0: nothing is measured, there is no best' 0 <<'X'
adds-train $o --val-split 0 -o all f.adds && test -f all/final.safetensors && test ! -e all/best.safetensors
X
has err '*on 90 pictures, none measured*'
t 'held-out labels are not trained' 0 <<'X'
printf 'label1\nlabel2\nno such label\n' >hold && adds-train -v $o --holdout-labels hold -o hold.run f.adds
X
has err '*10 labels trained, 2 held out*'
has err '*activations and their gradients: * MB*'
t 'other losses, schedules and starts' 0 <<'X'
adds-train -q $o --loss focal --full-gradient --schedule cosine --init random --heads 4 --clip-norm 1 --ema 0.9 -o r1 f.adds &&
adds-train -q $o --loss bce --schedule constant --warmup 5 --layers 1 --prior --label-budget 4 -o r2 f.adds &&
adds-train -q $o --recipe seed --heads 4 --layers 2 -o r3 f.adds && grep -q '"gamma-pos":1' r3/config.json && grep -q '"lr":1e-05' r3/config.json
X
t '--accumulate: the same labels, dropout and loss of a step, but for rounding; other bits in the end' 0 <<'X'
adds-train -q $o --dropout 0.3 --label-budget 4 -o acc1 f.adds && adds-train -q $o --dropout 0.3 --label-budget 4 --accumulate 1 -o acc1b f.adds &&
adds-train -q $o --dropout 0.3 --label-budget 4 --accumulate 5 -o acc5 f.adds && sh same.sh acc1 acc1b && ! cmp -s acc1/final.safetensors acc5/final.safetensors || exit 1
for run in acc1 acc5; do grep '"event":"step"' $run/log.jsonl | head -n 1 | tr ',' '\n' | grep -E '"(loss|labels)"' | cut -d: -f2; done |
	awk '{ x[NR] = $1 } END { exit !(NR == 4 && x[1] == x[3] && (x[2] - x[4]) ^ 2 < 1e-12 * x[2] ^ 2) }' &&
grep -q '"accumulate":5' acc5/config.json
X
t 'unlabelled and unreadable pictures are counted' 0 <<'X'
mkstream --kind features --records 60 --labels 12 --width 16 --errors 2 --unlabelled 5 -o some.adds
adds-train $o -o some some.adds
X
has err '*2 pictures could not be read*5 pictures without labels*'

# ---- the folder is somebody's ----
t 'a run is not written over' 1 <<'X'
adds-train $o -o whole f.adds
X
has err "adds-train: 'whole' holds a run already: --resume*--replace*"
t 'a folder with other things is left alone' 0 <<'X'
mkdir mine && echo text >mine/letter && adds-train --replace $o -o mine f.adds
test $? -eq 1 && cat mine/letter
X
has err "*'mine' is there and holds something else*"
has out text
t '--replace puts the new run into place, and keeps what is not its own' 0 <<'X'
cp -r whole rep && echo text >rep/note && adds-train $o --seed 1 --replace -o rep f.adds && cmp rep/final.safetensors seed1/final.safetensors &&
test ! -e rep.new && cat rep.old/note
X
has err '*rep.old*'
has out text
t '... and once more, while what was kept stands there; nothing is added to it' 0 <<'X'
adds-train -q $o --replace -o rep f.adds && cmp rep/final.safetensors whole/final.safetensors && test "$(ls rep.old)" = note && test ! -e rep.old.2 &&
echo more >rep/note && adds-train $o --seed 1 --replace -o rep f.adds && cat rep.old/note rep.old.2/note
X
has err "*'rep.old.2' keeps what was in 'rep'*"
has out 'text?more'
t '... also where the new run was killed, and goes on' 0 <<'X'
sh slow.sh 5 KILL rep.new/log.jsonl adds-train -q $o --seed 1 --replace -o rep f.adds 2>/dev/null
adds-train -q --resume --replace -o rep && cmp rep/final.safetensors seed1/final.safetensors && test ! -e rep.new && test ! -e rep.old.3
X
t '--replace where no run is: a run of the name .old is somebody else'"'"'s' 0 <<'X'
cp -r whole set.old && adds-train -q $o --seed 1 --replace -o set f.adds && cmp set/final.safetensors seed1/final.safetensors && diff -r whole set.old
X
t '--replace that fails leaves the old run' 0 <<'X'
adds-train -qq $o --replace -o rep l.adds
test $? -eq 1 && cmp rep/final.safetensors seed1/final.safetensors && test ! -e rep.new
X
t '--replace with the features inside the run that goes' 0 <<'X'
cat f.adds | adds-train -q $o -o inside && adds-train -q $o --seed 1 --replace -o inside inside/features.adds &&
cmp inside/final.safetensors seed1/final.safetensors && cmp inside/features.adds f.adds && adds-train -q --resume -o inside
X

t 'the recipe of the seed is the options that the page lists' 0 <<'X'
mkstream --kind labels --labels 6 --width 32 -o l32.adds && mkstream --kind features --records 6 --labels 6 --width 32 --tokens 2 -o f32.adds || exit
options=$(sed -n '/^.It Fl -recipe/,/^.It Fl -epochs/p' "$top/man/adds-train.1" | grep '^--') || exit
adds-train -qq -t l32.adds --val-split 0 --recipe seed --epochs 1 -o recipe f32.adds && adds-train -qq -t l32.adds --val-split 0 $options --epochs 1 -o spelt f32.adds &&
cmp recipe/config.json spelt/config.json && cmp recipe/final.safetensors spelt/final.safetensors
X

# ---- ridge, decoder and their blend ----
mkstream --kind labels --labels 14 --width 16 -o l14.adds
mkstream --kind features --records 330 --labels 14 --width 16 --tokens 1 -o b.adds
t 'all methods: what was chosen, and their checkpoints' 0 <<'X'
adds-train --method both --epochs 2 --val-split 0 -t l14.adds -o both b.adds &&
ls both/ridge.safetensors both/final.safetensors both/blend.safetensors both/best.safetensors >/dev/null && test ! -e both/fold-1 &&
for c in ridge final blend best; do adds-eval -qq -t l14.adds -c both/$c.safetensors -o s.adds b.adds || exit 1; done
X
has err '*ridge: 14 labels, lambda *expected change of AP *calibration error *blend: *the best is *'
t 'the blend counts pictures to train on: of 330 labelled ones a fifth validates, and the ridge stands alone' 0 <<'X'
adds-train --method both --epochs 1 -t l14.adds -o fifth b.adds && test ! -e fifth/blend.safetensors
X
has err '*blend: 2[0-9][0-9] pictures to train on, fewer than 300: the ridge stands alone*'
python=$(for p in /usr/bin/python3 python3; do $p -c 'import torch, numpy' 2>/dev/null && echo $p && break; done)
if [ "$python" ]; then
	export python
	t 'the example in Python: the decoder; a ridge has none' 0 <<'X'
load="$python -B $top/examples/load_checkpoint.py"
for c in final blend; do $load both/$c.safetensors | grep -q ' parameters, trained on 14 labels' || exit 3; done
$load both/ridge.safetensors; test $? -eq 1
X
	has err 'load_checkpoint.py: both/ridge.safetensors: no decoder is in it (method: ridge)*'
else
	skip 'the example in Python: no PyTorch'
fi
t 'all methods, killed at several places and gone on with: the same' 0 <<'X'
sh slow.sh 10 KILL ends/log.jsonl adds-train -q --method both --epochs 2 --val-split 0 -t l14.adds -o ends b.adds 2>/dev/null
sh slow.sh 30 KILL ends/log.jsonl adds-train -q --resume -o ends 2>/dev/null
adds-train -q --resume -o ends && sh same.sh both ends
X
t 'the ridge alone, with one thread and with two: the same' 0 <<'X'
adds-train -q --method ridge --val-split 0 -j1 -t l14.adds -o r-1 b.adds && adds-train -q --method ridge --val-split 0 -j2 -t l14.adds -o r-2 b.adds &&
cmp r-1/ridge.safetensors r-2/ridge.safetensors && cmp r-1/ridge.safetensors both/ridge.safetensors
X

# ---- ends and new beginnings ----
t '--resume without a run' 1 <<'X'
adds-train --resume -o nowhere
X
has err "*no run in 'nowhere'*"
cat >ends.sh <<'X'
# ended at several places, gone on with each time, with no input: the same as undisturbed
more='--epochs 4 --keep-every 2 --label-budget 6 --ema 0.9'
adds-train -q $o $more -o "$1.whole" f.adds || exit 1
cat f.adds | sh slow.sh 3 "$2" "$1/log.jsonl" adds-train -q $o $more --save-every 0 -o "$1"
for n in 8 13 20; do
	sh slow.sh $n "$2" "$1/log.jsonl" adds-train -q --save-every 0.05 --resume -o "$1"
done 2>/dev/null
adds-train -q --resume -o "$1" && rm "$1/features.adds" && sh same.sh "$1.whole" "$1"
X
t 'killed again and again: byte for byte as if undisturbed' 0 <<'X'
sh ends.sh killed KILL 2>/dev/null
X
t 'what a killed run left of a file on its way goes when the run goes on; other files stay' 0 <<'X'
cp -r whole left && rm left/final.safetensors && echo half >left/last.safetensors.tmp-123-4 && echo mine >left/notes.tmp-1 &&
adds-train -q --resume -o left && ! test -e left/last.safetensors.tmp-123-4 && cat left/notes.tmp-1 && cmp left/final.safetensors whole/final.safetensors
X
has out mine
t 'stopped again and again: the same' 0 <<'X'
sh ends.sh stopped TERM 2>/dev/null
X
t 'a signal: the step ends, the state is written, it dies of the signal' 0 <<'X'
sh slow.sh 5 TERM int/log.jsonl adds-train $o --epochs 500 -o int f.adds 2>/dev/null
test $? -eq 143 && test -f int/state.safetensors && cat err.slow
X
has out '*stopped after step * of *: --resume goes on*'
mkstream --kind labels --labels 60 --width 32 -o l60.adds
mkstream --kind features --records 1500 --labels 60 --width 32 --tokens 1 -o r.adds
for method in ridge both; do
	t "a signal while the ridge learns: nothing of it is kept, and it begins again (--method $method)" 0 <<X
r='adds-train --method $method --val-split 0 -t l60.adds'
[ $method = ridge ] || r="\$r --epochs 1 --batch 500"
sh slow.sh 1 TERM stop-$method/log.jsonl \$r -o stop-$method r.adds 2>/dev/null
test \$? -eq 143 && test ! -e stop-$method/ridge.safetensors && test ! -e stop-$method/state.safetensors && cat err.slow &&
if [ $method = ridge ]; then adds-train -q --resume -o stop-ridge && \$r -q -o learnt r.adds && sh same.sh learnt stop-ridge; fi
X
	has out '*adds-train: stopped while the ridge learnt: --resume begins it again'
done
t 'a broken newest state: the one before is taken, with a warning' 0 <<'X'
cp -r whole broken && rm broken/final.safetensors && printf XYZ | dd of=broken/state.safetensors bs=1 seek=3000 conv=notrunc 2>/dev/null
adds-train --resume -o broken && cmp broken/final.safetensors whole/final.safetensors && cmp broken/log.jsonl whole/log.jsonl
X
has err '*the newest state is broken, the one before was taken: *state.safetensors*'
t 'other data on resuming are refused' 1 <<'X'
cp -r whole moved && rm moved/final.safetensors && sed "s,/f.adds,/other.adds," moved/config.json >c && mv c moved/config.json
adds-train --resume -o moved
X
has err '*begun on other data*'
t 'other options on resuming are refused' 1 <<'X'
adds-train --resume --lr 0.5 -o moved
X
has err "*--lr is 0.5 here and 0 in 'moved'*"
t 'two at once in one folder' 0 <<'X'
adds-train -q $o --epochs 400 -o busy f.adds &
pid=$!
while [ ! -s busy/log.jsonl ]; do sleep .05; done
adds-train --resume -o busy
test $? -eq 1 && kill -KILL $pid
X
has err "*another adds-train is at work in 'busy'*"

# ---- the bare sentence ----
t 'adds-index data | adds-pyramid | adds-train' 0 <<'X'
mkdir data && cp "$top"/examples/shapes/train/00[0-2]* data && cp "$top"/examples/shapes/organized_Tags.json data
export ADDS_MODEL="$top/examples/mini_clip"
adds-index data | adds-pyramid --levels 1 | adds-train --method decoder --epochs 1 &&
adds-eval -q -t adds-run/labels.adds -c adds-run/best.safetensors -o bare.adds adds-run/features.adds &&
adds-encode-text -o again.adds adds-run/features.adds || exit 1
adds-cat --jsonl --values again.adds | grep '"record":"label"' >a
adds-cat --jsonl --values adds-run/labels.adds | grep '"record":"label"' >b
cmp a b
X
has err '*mAP*zero-shot*adds-run/*.safetensors*'
t 'tokens that are not finite' 1 <<'X'
mkstream --kind features --dtype F16 --records 40 --labels 6 --infinite 1 -o infinite.adds; mkstream --kind labels --labels 6 -o six.adds
adds-train -t six.adds -o infinite infinite.adds
X
has err "adds-train: *infinite.adds: *'000*.jpg' has tokens that are not finite*"
t 'names held out that are no labels, and features that validate but are made otherwise, are told' 0 <<'X'
mkstream --kind features --records 40 --labels 6 -o whole.adds && adds-cat --npy x.npy --paths p.txt --labels l.txt --targets y.npy whole.adds &&
adds-cat --import features --npy x.npy --paths p.txt --labels l.txt --targets y.npy --model-name test-model -o other.adds
printf 'label1\nlabbel2\n' >held.txt; adds-train -t six.adds --method ridge --val other.adds --holdout-labels held.txt -o told whole.adds 2>log; grep -e held.txt -e other.adds log >&2
X
has err "adds-train: held.txt: 1 of 2 names is not among the labels?adds-train: *other.adds: 'tokens' is \"cls\", but \"all\" in the features that train"
done_
