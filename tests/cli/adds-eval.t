# adds-eval.t - features to scores, and what scores are worth
. ./cli/lib.sh
export DATA top
mkstream --kind labels --labels 6 -o labels.adds || exit 1
mkstream --kind features --records 40 --labels 6 --tokens 5 -o features.adds || exit 1
mkstream --kind features --records 40 --labels 6 --tokens 5 --ragged 1 --errors 3 --unlabelled 4 -o mixed.adds || exit 1
mkstream --kind features --records 40 --labels 6 --partial 1 -o partial.adds || exit 1
mkstream --kind scores --records 60 --labels 6 -o scores.adds || exit 1
mkdir models && for layers in 1 2; do
	adds-train -qq -t labels.adds --layers $layers --val-split 0 --epochs 1 -o run$layers features.adds && cp run$layers/final.safetensors $layers.st || exit 1
done
cp run2/ridge.safetensors ridge.st
mkstream --kind features --records 40 --labels 6 --tokens 1 -o single.adds
adds-train -qq -t labels.adds --method decoder --val-split 0 --epochs 1 -o run3 single.adds && cp run3/final.safetensors prior.st || exit 1
zero='-t labels.adds --zero-shot'
export zero

usual_options adds-eval --min-positives
usual_input adds-eval "$zero" features.adds
usual_input adds-eval '' scores.adds
usual_output adds-eval "$zero features.adds" text
on_terminal 'a score stream to a terminal' "adds-eval $zero -o - features.adds" && has out 'adds-eval: *terminal*'
usual_output adds-eval 'scores.adds' text
usual_file adds-eval "$zero features.adds" "$zero not-there.adds"

while read -r options; do
	t "wrong: $options" 2 <<X
adds-eval $options features.adds >o
X
	has err 'adds-eval: *'
done <<'X'
-t labels.adds
-t labels.adds --zero-shot -c 2.st
-t labels.adds --zero-shot --no-metrics --json m
-t labels.adds --zero-shot --json -
-t labels.adds --zero-shot --per-label -
-t labels.adds --zero-shot --read best
-t labels.adds --zero-shot --ap best
-t labels.adds --zero-shot --at 2
-t labels.adds --zero-shot --at x
-t labels.adds --zero-shot --top 0
-t labels.adds --zero-shot --top 1 --top 2 --top 3 --top 4 --top 5
-t labels.adds --zero-shot --batch 0
X
for files in '-o same --json same' '-o same --per-label same' '--json same --per-label same' '--json - --per-label -'; do
	t "one file for two things: $files" 2 <<X
adds-eval $files -t labels.adds --zero-shot features.adds >o
X
	has err "adds-eval: *"
done
for options in '-c 1.st' --zero-shot '-o there' --no-metrics '--context labels.adds' --no-visual-update; do
	t "without -t: $options" 2 <<X
adds-eval $options scores.adds >o
X
	has err "adds-eval: -t LABELS is missing*"
done
t 'a context for zero-shot' 2 <<'X'
adds-eval --zero-shot --context labels.adds -t labels.adds features.adds >o
X
has err 'adds-eval: --context*'
while read -r options; do
	t "without effect: $options" 2 <<X
adds-eval -t labels.adds $options -o o.adds features.adds; rc=\$?; test ! -e o.adds && exit \$rc
X
	has err 'adds-eval: --* would have no effect: *'
done <<'X'
-c 1.st --context labels.adds
-c 1.st --no-visual-update
-c ridge.st --context labels.adds
-c ridge.st --no-visual-update
-c ridge.st --read patch
-c ridge.st --read tile
-c 2.st --read cls
X
t 'a context that is not looked at' 2 <<'X'
adds-eval -t labels.adds -c 2.st --context labels.adds --no-visual-update features.adds
X
has err 'adds-eval: --context *--no-visual-update*'
t 'a prior is read as --read says' 0 <<'X'
for read in cls tile patch; do adds-eval -t labels.adds -c prior.st --read $read --no-metrics -o $read.p features.adds && adds-cat --npy $read.npy $read.p || exit; done
! cmp -s tile.npy patch.npy
X
t 'the provenance has what scores hang on' 0 <<'X'
adds-eval -t labels.adds -c 2.st --no-metrics -o o.adds features.adds && adds-cat --jsonl o.adds | head -1
X
has out '*"program":"adds-eval"*'
has out '*"precision":"f32"*'
t 'joined streams of different precision are told' 0 <<'X'
mkstream --kind features --records 3 --labels 6 --tokens 5 --precision bf16 -o bf16.adds && cat features.adds bf16.adds | adds-eval $zero >s.adds &&
mkstream --kind scores --records 3 --labels 6 --precision bf16 -o bf16.s && cat scores.adds bf16.s | adds-eval >table
X
has err 'adds-eval: <stdin>: joined streams were computed in different precision: "f32" and "bf16"?adds-eval: <stdin>: *precision*'
t 'a checkpoint with one bit flipped' 1 <<'X'
. "$top/tests/cli/usual.sh"; cp 2.st bad.st && flip bad.st $(($(wc -c <2.st) - 777)) && ! cmp -s 2.st bad.st && adds-eval -t labels.adds -c bad.st -o bad.adds features.adds; rc=$?; ls bad.adds; exit $rc
X
has err 'adds-eval: bad.st: damaged: its bytes do not have the checksum that it was written with (*takes "xxh64" out of its metadata)*'
t 'two inputs' 2 <<'X'
adds-eval scores.adds scores.adds
X
has err 'adds-eval: one input*'

# ---- zero-shot ----
t 'zero-shot: cosines, all labels, all pictures' 0 <<'X'
adds-eval $zero -o z.adds features.adds >table && adds-cat --jsonl z.adds | head -1 && adds-cat --jsonl z.adds | grep -c '"record":"picture"' 
cat table
X
has out '*"checkpoint":"zero-shot"*"score":"similarity"*40*labels*count*measured*mAP*picture AP*P@3*F1@5*all*6*6*0.[0-9]*'
t 'what it reads: cls, tile and patch differ, and the default is tile' 0 <<'X'
mkmodel --shape mini model >/dev/null 2>&1
for read in cls tile patch; do adds-eval $zero --read $read -o $read.adds features.adds >/dev/null && adds-cat --npy $read.npy $read.adds || exit; done
adds-cat --npy z.npy z.adds; cmp z.npy tile.npy && ! cmp -s tile.npy patch.npy
X
t 'the same bytes for any batch, any number of threads, from a pipe' 0 <<'X'
for c in --zero-shot '-c 1.st' '-c 2.st'; do
	adds-eval -t labels.adds $c -o a.adds mixed.adds >/dev/null 2>&1
	for j in 1 2 3; do for batch in 1 7 64; do
		cat mixed.adds | adds-eval -q -t labels.adds $c -j $j --batch $batch -o b.adds >/dev/null
		cmp a.adds b.adds || exit
	done; done
done
X
t 'error records are passed on, counted, and fail under --strict' 1 <<'X'
adds-eval $zero mixed.adds >m.adds || exit 3; adds-cat --jsonl m.adds | grep -c '"record":"error"'; adds-eval --strict $zero mixed.adds >m.adds
X
has err '*3 error records passed on*'
has out 3
t 'unlabelled pictures are scored, and left out of metrics' 0 <<'X'
adds-eval $zero -o m.adds mixed.adds && adds-cat --jsonl m.adds | grep -c '"record":"picture"' 
X
has out '33 labelled pictures, 4 unlabelled, 3 errors*37'
has err '*3 error records passed on*'
t 'pictures without a vocabulary are scored only' 0 <<'X'
mkstream --kind features --records 4 --labels 0 -o plain.adds && adds-eval $zero -o p.adds plain.adds && adds-cat --jsonl p.adds | grep -c '"record":"picture"' 
X
has out 4
has err '*no labelled picture*'

# ---- labels: more and fewer than the pictures' ----
t 'labels that the pictures lack are scored and not measured' 0 <<'X'
mkstream --kind labels --labels 9 -o nine.adds && adds-eval -t nine.adds --zero-shot -o n.adds --per-label n.tsv features.adds && wc -l <n.tsv
adds-cat --npy n.npy n.adds && adds-cat --jsonl --values n.adds | head -1
X
has out '*all *6 *6 *0.*7*"known":*[[]1,1,1,1,1,1,0,0,0[]]*'
t 'labels that the label stream lacks are ignored, counted, named' 0 <<'X'
mkstream --kind labels --labels 2 -o two.adds && adds-eval -t two.adds --zero-shot -o n.adds features.adds
X
has out '*all *2 *2 *0.*'
has err "*4 labels of the pictures are not in 'two.adds' and ignored: 'label2', 'label3', 'label4', ...*"
t '... and refused under --strict' 1 <<'X'
adds-eval --strict -t two.adds --zero-shot -o n.adds features.adds
X
has err "adds-eval: two.adds: *label2*"
t 'the order is that of the label stream, the scores the same' 0 <<'X'
adds-eval -q -t two.adds --zero-shot --per-label two.tsv -o n.adds features.adds >/dev/null && adds-eval $zero --per-label six.tsv -o z.adds features.adds >/dev/null
head -3 six.tsv | cmp - two.tsv && adds-cat --npy n.npy n.adds
X
t 'no label in common' 1 <<'X'
adds-cat --npy e.npy two.adds; printf 'x\ny\n' >x.txt; adds-cat --import labels --npy e.npy --labels x.txt --model-name test-model -o x.adds
adds-eval -t x.adds --zero-shot features.adds >n.adds
X
has err 'adds-eval: *x.adds: no label of the pictures*label0*, or score only, with --no-metrics'
t 'no label in common: scores alone can be had' 0 <<'X'
adds-eval -t x.adds --zero-shot --no-metrics features.adds >n.adds && adds-cat n.adds | tail -2
X
has out '*unlabelled  best: *end: *'
has err 'adds-eval: 6 labels of the pictures are not in *'
t 'features of another model' 1 <<'X'
mkstream --kind features --records 3 --labels 6 --model other -o o.adds; adds-eval $zero o.adds >n.adds
X
has err 'adds-eval: the features are of model other*label stream of model test-model*'
t 'features of another width' 1 <<'X'
mkstream --kind features --records 3 --labels 6 --width 16 -o o.adds; adds-eval $zero o.adds >n.adds
X
has err 'adds-eval: o.adds: record 0: *width 8*'
t 'a label stream of another width than the checkpoint' 1 <<'X'
mkstream --kind labels --labels 6 --width 16 -o wide.adds; adds-eval -t wide.adds -c 2.st features.adds >n.adds
X
has err "adds-eval: *2.st*for embeddings of width 8, *16*"
t 'a checkpoint that is not there' 1 <<'X'
adds-eval -t labels.adds -c not-there features.adds >n.adds
X
has err "adds-eval: cannot open 'not-there': No such file or directory"
mkdir folder
t 'a folder as a checkpoint: what to give' 1 <<'X'
adds-eval -t labels.adds -c run2 features.adds && exit 3; adds-eval -t labels.adds -c folder features.adds
X
has err "adds-eval: 'run2' is a folder, and a checkpoint of adds-train is needed: give 'run2/best.safetensors'?adds-eval: 'folder' is a folder, and a checkpoint of adds-train is needed"
t 'a folder as labels, as a context, as features, as names' 1 <<'X'
adds-eval -t run2 --zero-shot features.adds && exit 3; adds-eval -t labels.adds -c 2.st --context folder features.adds && exit 3
adds-eval -t labels.adds --zero-shot folder && exit 3; adds-eval --unseen folder scores.adds
X
has err "adds-eval: 'run2' is a folder, and a stream of labels (from adds-encode-text) is needed: give 'run2/labels.adds'?adds-eval: 'folder' is a folder, and a stream of labels (from adds-encode-text) is needed?adds-eval: 'folder' is a folder, and a stream of features (from adds-pyramid) is needed?adds-eval: folder: cannot read: it is a folder: name a file in it"
t 'a label stream that is not there, or none' 1 <<'X'
adds-eval -t not-there --zero-shot features.adds >n.adds && exit 3; adds-eval -t features.adds --zero-shot features.adds >n.adds
X
has err "adds-eval: cannot open 'not-there': No such file*features.adds*"
t 'features without -t: what makes scores of them' 1 <<'X'
adds-eval features.adds
X
has err "adds-eval: features.adds: a stream of features, but one of scores (from adds-eval -t) is needed here"
t 'weights of CLIP as a checkpoint' 1 <<'X'
mkmodel --shape mini clip >/dev/null && adds-eval -t labels.adds -c clip/*.safetensors features.adds
X
has err "adds-eval: clip/*.safetensors: neither metadata nor tensors of a decoder: this is no checkpoint of adds-train"
t 'a checkpoint that is none' 1 <<'X'
head -c 3000 2.st >cut.st; adds-eval -t labels.adds -c cut.st features.adds >n.adds && exit 3; adds-eval -t labels.adds -c labels.adds features.adds >n.adds
X
has err "adds-eval: *cut.st*labels.adds: *it is compressed with zstd, as a stream is: *"
t 'a text as a checkpoint' 1 <<'X'
echo 'no numbers here' >text; adds-eval -t labels.adds -c text features.adds >n.adds
X
has err "adds-eval: text: not a safetensors checkpoint: the first 8 bytes are no length of a header*"

# ---- a decoder, and the company of labels ----
cat >same.sh <<'X'
# A B: are the first two columns of the first picture's scores the same in both?
adds-eval -q -t labels.adds "$@" -o six.adds features.adds >/dev/null && adds-eval -q -t two.adds "$@" -o two.s features.adds >/dev/null || exit 2
for f in six.adds two.s; do adds-cat --jsonl --values --head 1 --only picture $f | sed -n 's/.*"scores":{"label0":\([^,]*\),"label1":\([^,}]*\).*/\1 \2/p' >$f.n; done
paste -d' ' six.adds.n two.s.n | awk 'NF != 4 {exit 2} {d = $1 - $3; e = $2 - $4; exit !(d * d + e * e < 1e-10)}'
X
t 'two layers: a score depends on its company' 1 <<'X'
sh same.sh -c 2.st
X
t '--context: it depends on that file alone' 0 <<'X'
sh same.sh -c 2.st --context labels.adds
X
t '--no-visual-update: it depends on itself alone' 0 <<'X'
sh same.sh -c 2.st --no-visual-update
X
t 'one layer: likewise' 0 <<'X'
sh same.sh -c 1.st
X
t 'the header names the checkpoint by its digest' 0 <<'X'
adds-eval -t labels.adds -c 2.st features.adds >s.adds && adds-cat --jsonl s.adds | head -1 | grep -c "\"checkpoint\":\"$(sha256sum 2.st | cut -d' ' -f1)\".*\"score\":\"logit\""
X
has out 1
cat >without.sh <<'X'
# the report R.json, R.tsv, R.table without the baseline's figures
grep -q '"zero_shot":{' "$1.json" && head -1 "$1.tsv" | grep -q '	zero-shot AP$' && grep -q '^zero-shot ' "$1.table" || exit 1
sed 's/,"zero_shot":{"groups":{.*}}}$/}/; s/,"zero_shot_AP":[^,}]*//g' "$1.json" >"$1.json.w"
sed 's/	[^	]*$//' "$1.tsv" >"$1.tsv.w"
grep -v '^zero-shot ' "$1.table" >"$1.table.w"
X
t 'scores measured again give the same report, without the baseline, which needs the features' 0 <<'X'
adds-eval -t labels.adds -c 2.st --json a.json --per-label a.tsv -o s.adds features.adds >a.table && adds-eval --json b.json --per-label b.tsv s.adds >b.table && sh without.sh a &&
cmp a.table.w b.table && cmp a.json.w b.json && cmp a.tsv.w b.tsv
X
printf 'label1\nlabel4\n' >apart
for c in 1.st 2.st ridge.st 'prior.st --read patch' '2.st --context two.adds' '2.st --top 1 --at .25 --ap voc'; do
	for f in mixed.adds partial.adds; do
		t "a checkpoint's report has the figures of --zero-shot beside its own: $c, $f" 0 <<X
as='$(echo "$c" | sed 's/^[^ ]*//; s/--context [^ ]*//; s/--at [^ ]*//')'
adds-eval -q -t labels.adds -c $c --unseen apart --json c.json --per-label c.tsv -o cs.adds $f >c.table && sh without.sh c || exit
adds-eval -q -t labels.adds --zero-shot \$as --unseen apart --json z.json --per-label z.tsv -o zs.adds $f >z.table || exit
sed 's/.*,"zero_shot":{"groups":\({.*}\)}}\$/\1/' c.json >c.groups && sed 's/.*"groups":\({.*}\),"labels":.*/\1/' z.json >z.groups && test \$(wc -c <z.groups) -gt 900 && cmp c.groups z.groups || exit
awk 'sub(/^zero-shot  */, "")' c.table >c.rows && awk '\$1 != "labels" && /^(all|seen|unseen) / && sub(/^[a-z]*  *[0-9]*  *[0-9]*  */, "")' z.table >z.rows && test \$(wc -l <z.rows) -eq 3 && cmp c.rows z.rows || exit
cut -f1,4 z.tsv | sed 's/AP\$/zero-shot AP/' >z.ap && awk -F '\t' '{ print \$1 "\t" \$NF }' c.tsv | cmp - z.ap &&
grep -o '"zero_shot_AP":[^,}]*' c.json | cut -d: -f2 >c.aps && grep -o '{"AP":[^,}]*' z.json | cut -d: -f2 | cmp - c.aps && test -s c.aps
X
	done
done
t 'pictures without labels, and no metrics: no baseline is computed' 0 <<'X'
mkstream --kind features --records 4 --labels 0 -o plain.adds && adds-eval -q -t labels.adds -c 2.st -o p.adds plain.adds && adds-eval -t labels.adds -c 2.st --no-metrics -o n.adds features.adds && adds-eval -t labels.adds -c 2.st features.adds >m.adds && cmp n.adds m.adds
X
t '... also with unknown cells' 0 <<'X'
adds-eval $zero --json a.json -o s.adds partial.adds >a && adds-eval --json b.json s.adds >b && cmp a b && cmp a.json b.json
X

# ---- metrics ----
t '--json - stands in the place of the table' 0 <<'X'
adds-eval --json - scores.adds
X
has out '{"adds":"report"*"mAP":0.*"top_gated"*}'
lacks out '*picture AP*'
t '--unseen: measured together and apart' 0 <<'X'
printf 'label1\nlabel4\n' >unseen.txt; adds-eval --unseen unseen.txt --per-label u.tsv scores.adds && grep -c '	unseen	' u.tsv
X
has out '*all *6 *seen *4 *unseen *2 *2'
t '... names that are no labels' 0 <<'X'
echo label77 >>unseen.txt; adds-eval --unseen unseen.txt scores.adds
X
has err 'adds-eval: unseen.txt: 1 of 3 names is not among the labels'
t '--min-positives: labels with fewer are skipped and counted' 0 <<'X'
adds-eval --min-positives 18 scores.adds
X
has out '*all *6 * [1-5] *labels with fewer than 18 known positives are left out of mAP*'
t '--empty zero counts labels without a positive' 0 <<'X'
mkstream --kind scores --records 1 --labels 40 -o one.adds && adds-eval --json - one.adds >a && adds-eval --empty zero --json - one.adds >b && grep -o '"mAP":[0-9.]*' a b
X
has out 'a:"mAP":1?b:"mAP":0.*'
t '--at and --top' 0 <<'X'
adds-eval --top 1 --at 0.3 --at 0.9 scores.adds
X
has out '*P@1 *all *all *0.3 *all *0.9 *'
t '--at 1 of logits' 1 <<'X'
adds-eval --at 1 scores.adds
X
has err 'adds-eval: --at 1: *logits*'
t 'a report into a folder that is not there' 1 <<'X'
adds-eval --json not/there scores.adds
X
has err 'adds-eval: *not/there*No such file*'
t '--no-metrics writes the scores and measures nothing' 0 <<'X'
adds-eval $zero --no-metrics -o a.adds features.adds && cmp a.adds z.adds && wc -c <.out
X

# ---- published scores: VOC 2007, mAP as its page says ----
voc() { # file, mAP with difficult as negative, mAP without
	t "VOC 2007, $1: mAP $2 %, without the difficult $3 %" 0 <<X
v="$DATA/voc2007_scores"
import() { adds-cat --import scores --npy "\$v/scores_$1.npy" --paths "\$v/image_ids.txt" --labels "\$v/classes.txt" --targets "\$v/targets.npy" --model-name voc --score logit "\$@" -o v.adds && adds-eval --json v.json v.adds >/dev/null && grep -o '"mAP":[0-9.]*' v.json | head -1 | cut -d: -f2 | awk '{printf "%.4f ", 100 * \$1}'; }
import --positive 1 --negative 0,-1 --unknown 7 && import --positive 1 --negative -1 --unknown 0
X
	has out "$2 $3 "
}
if [ -d "$DATA/voc2007_scores" ]; then
	voc taidpt_global 86.0784 86.8127
	voc taidpt_local 73.5070 74.8771
	voc dualcoop_a 86.2933 87.1045
	voc dualcoop_b 94.1827 95.1473
else
	skip "mAP of published scores: no $DATA/voc2007_scores"
fi
for dtype in F32 F16 BF16; do
	t "$dtype tokens that are not finite" 1 <<X
mkstream --kind features --dtype $dtype --records 9 --labels 6 --infinite 1 -o infinite.adds
adds-eval -t labels.adds --zero-shot infinite.adds >n.adds
X
	has err "adds-eval: infinite.adds: record *: '0000*.jpg' has tokens that are not finite*"
done
t 'scores and embeddings that are not finite' 1 <<'X'
mkstream --kind scores --records 9 --labels 6 --infinite 1 -o infinite.adds; adds-eval infinite.adds && exit 3
mkstream --kind labels --labels 6 --infinite 1 -o infinite.adds; adds-eval -t infinite.adds --zero-shot features.adds
X
has err "adds-eval: infinite.adds: record *: '0000*.jpg': the score of label 'label0' is not finite?adds-eval: infinite.adds: *"
done_
