# adds-threshold.t - scores to thresholds, and to tags
. ./cli/lib.sh
export DATA top
mkstream --kind scores --records 60 --labels 6 -o scores.adds || exit 1
mkstream --kind scores --records 60 --labels 6 --parents 1 --errors 3 --unlabelled 5 -o tree.adds || exit 1
mkstream --kind scores --records 60 --labels 6 --partial 1 -o partial.adds || exit 1
mkstream --kind scores --records 60 --labels 6 --model other -o other.adds || exit 1
mkstream --kind scores --records 60 --labels 7 -o seven.adds || exit 1
mkstream --kind features --records 20 --labels 6 -o features.adds || exit 1
mkstream --kind labels --labels 6 -o labels.adds || exit 1
adds-eval --zero-shot -t labels.adds -o cosines.adds features.adds >/dev/null || exit 1
adds-threshold -o th.json scores.adds || exit 1
# the same numbers, as logits that are not calibrated
adds-cat --npy s.npy --paths p.txt --labels l.txt --targets y.npy scores.adds || exit 1
adds-cat --import scores --npy s.npy --paths p.txt --labels l.txt --targets y.npy --model-name test-model -o raw.adds || exit 1
three_scores() { # the numbers of a .npy file of 3 x 2 f32, as octal bytes
	printf '\223NUMPY\001\000\166\000%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }"
	printf '\000\000\200\077\000\000\000\000\000\000\200\077\000\000\000\000\000\000\000\000\000\000\200\077'
}

usual_options adds-threshold --min-positives
usual_input adds-threshold '' scores.adds
usual_input adds-threshold '--apply th.json' scores.adds
usual_output adds-threshold 'scores.adds' text
usual_output adds-threshold '--apply th.json scores.adds' text
usual_file adds-threshold 'scores.adds' 'not-there.adds'
usual_file adds-threshold '--top 2 scores.adds' '--top 2 not-there.adds'

# ---- fitting ----
t 'a thresholds file: what it was fitted on, one global, one a label' 0 <<'X'
cat th.json; tr '{' '\n' <th.json | grep -c '"name":"label'
X
has out '{"adds":"thresholds","calibrated":1,"checkpoint":"test-model","format":1,"global":{"f1":0.*"method":"f1","min_positives":5,"score":"logit","target":0}*6'
t 'the same bytes for any number of threads, from a file and a pipe' 0 <<'X'
for j in 1 2 3 8; do adds-threshold -j $j scores.adds >t$j && cmp t$j th.json || exit; done
cat scores.adds | adds-threshold >p && cmp p th.json
X
t 'precision and recall are kept' 0 <<'X'
adds-threshold --fit precision --target 0.8 scores.adds >p.json && adds-threshold --fit recall --target 0.9 scores.adds >r.json &&
tr '{' '\n' <p.json | sed -n 's/.*"precision":\([0-9.]*\).*/\1/p' | awk '$1 < .8 {exit 1} END {exit NR != 7}' &&
tr '{' '\n' <r.json | sed -n 's/.*"recall":\([0-9.]*\).*/\1/p' | awk '$1 < .9 {exit 1} END {exit NR != 7}'
X
for method in balance mcut; do
	t "--fit $method" 0 <<X
adds-threshold --fit $method scores.adds
X
	has out "*\"method\":\"$method\"*"
done
t 'labels with few positives take the global threshold, counted under -v' 0 <<'X'
adds-threshold -v --min-positives 1000 -o few.json scores.adds && tr '{' '\n' <few.json | grep -c '"fallback":1'
tr ',{}' '\n\n\n' <few.json | grep '"threshold"' | sort -u | wc -l
X
has out '6?1'
has err '*60 pictures, 6 labels, 6 with the global threshold*'
t 'unknown cells take no part' 0 <<'X'
adds-threshold partial.adds >a.json; cmp -s a.json th.json; test $? -eq 1
X
t 'no labelled picture' 1 <<'X'
mkstream --kind scores --records 5 --unlabelled 5 -o none.adds; adds-threshold none.adds
X
has err 'adds-threshold: none.adds: no labelled picture*'
t '--strict counts error records' 1 <<'X'
adds-threshold --strict -o a.json tree.adds && exit; adds-threshold --strict --top 1 tree.adds >a
X
has err '*3 pictures could not be read*'
while read -r options; do
	t "wrong: $options" 2 <<X
adds-threshold $options scores.adds >o
X
	has err 'adds-threshold: --*'
done <<'X'
--fit precision
--fit recall
--fit f1 --target 0.5
--fit best
--target 0.5
--target 2 --fit recall
--apply th.json --fit f1
--top 3 --fit f1
--apply th.json --threshold 0.5
--fallback-global
--top 0
--threshold 2
--threshold -0.5
--append --overwrite --format txt --top 1
--separator '' --format txt --top 1
--format xml --top 1
--format tsv
--exclude label1
--no-parents
--uncalibrated
--top 1 --target 0.5
--top 1 --min-positives 3
--top 1 --append
--top 1 --replace-ext --format tsv
--top 1 --format txt -o there
--undo not-there --top 1
X
t 'two inputs' 2 <<'X'
adds-threshold scores.adds scores.adds
X
has err 'adds-threshold: one input*'
t 'features are no scores' 1 <<'X'
adds-threshold features.adds
X
has err 'adds-threshold: *features*scores*'

t 'a folder as thresholds, or as names: what to give' 1 <<'X'
mkdir folder && adds-threshold --apply folder scores.adds && exit 3; cp th.json folder/thresholds.json && adds-threshold --apply folder scores.adds && exit 3
adds-threshold --top 1 --exclude-from folder scores.adds
X
has err "adds-threshold: 'folder' is a folder, and a thresholds file of adds-threshold is needed?adds-threshold: 'folder' is a folder, and a thresholds file of adds-threshold is needed: give 'folder/thresholds.json'?adds-threshold: folder: cannot read: it is a folder: name a file in it"

# ---- applying ----
t 'JSON Lines: one a picture, tags by falling probability' 0 <<'X'
adds-threshold --apply th.json scores.adds >a && wc -l <a && head -1 a &&
grep -o '"probability":[0-9.e-]*\|"path"' a | sed 's/.*://' | awk '/path/ {last = 2; next} $1 > last {exit 1} {last = $1}'
X
has out '60?{"path":"00000.jpg"*"tags":?{"label":"label*","probability":0.*'
t 'tab-separated lines say the same' 0 <<'X'
adds-threshold --apply th.json scores.adds | tr '{' '\n' | sed -n 's/"label":"\([^"]*\)","probability":\([^}]*\).*/\1\t\2/p' >a
adds-threshold --apply th.json --format tsv scores.adds >b; cut -f 2- b | cmp - a && head -1 b
X
has out '00000.jpg	label[0-5]	0.*'
t '--top K: exactly the best K' 0 <<'X'
adds-threshold --top 2 --format tsv scores.adds | cut -f 1 | sort | uniq -c | awk '$1 != 2 {exit 1} END {exit NR != 60}'
X
t '--top limits thresholds' 0 <<'X'
adds-threshold --apply th.json --format tsv scores.adds >all; adds-threshold --apply th.json --top 1 --format tsv scores.adds >one
awk -F'\t' '!($1 in seen) {seen[$1] = 1; print}' all | cmp - one
X
t '--mcut: above the largest gap' 0 <<'X'
adds-threshold --mcut --format tsv scores.adds >a && cut -f 1 a | sort -u | wc -l
X
has out 60
t '--threshold is a probability of calibrated logits' 0 <<'X'
adds-threshold --threshold 0.7 --format tsv scores.adds >a && awk -F'\t' '$3 < .7 {exit 1} END {exit NR < 10}' a
adds-threshold --threshold 0.5 --format tsv scores.adds | awk -F'\t' '$3 >= .7' | cmp - a
X
t '... and no probability of others' 1 <<'X'
adds-threshold --threshold 0.7 raw.adds
X
has err 'adds-threshold: these logits are not calibrated*--uncalibrated*'
t '... unless one says so' 0 <<'X'
adds-threshold --threshold 0.7 --uncalibrated --format tsv raw.adds | cut -f 1,2 >a; adds-threshold --threshold 0.7 --format tsv scores.adds | cut -f 1,2 | cmp - a
X
t '... and a cosine of similarities' 0 <<'X'
adds-threshold --threshold 0.2 --format tsv cosines.adds >a && awk -F'\t' '$3 < .2 {exit 1} END {exit NR < 5}' a
adds-threshold --threshold -1 cosines.adds
X
has out '*"similarity":*'
t 'numbers are named as what they are' 0 <<'X'
adds-threshold --top 1 raw.adds
X
has out '*"logit":*'
t '--exclude and --exclude-from' 0 <<'X'
echo label2 >not; adds-threshold --top 6 --exclude label0 --exclude label1 --exclude-from not --format tsv scores.adds | cut -f 2 | sort -u | tr '\n' ' '
X
has out 'label3 label4 label5 '
t 'a tag to exclude that nobody knows' 0 <<'X'
adds-threshold --top 1 --exclude label77 scores.adds
X
has err "*no label is called 'label77'*"
t 'a tag brings its parents, not those that are excluded' 0 <<'X'
adds-threshold -q --top 1 --format tsv tree.adds | awk -F'\t' '{n[$1] = n[$1] " " $2} END {for (p in n) print n[p]}' >a; grep -c 'label5' a
grep 'label5' a | grep -v 'label2.*' ; grep 'label5' a | grep -v label1
adds-threshold -q --top 1 --no-parents --format tsv tree.adds | wc -l
adds-threshold -q --top 1 --exclude label1 --format tsv tree.adds >a; grep -c label1 a; true
X
has out '[1-9]*?57?0'
t 'error records are passed on as such' 0 <<'X'
adds-threshold --top 1 tree.adds >a; grep -c '"error":"not a picture","stage":"decode"' a
X
has out 3
has err '*3 pictures could not be read*'
t 'unlabelled pictures get tags as others' 0 <<'X'
adds-threshold --top 1 none.adds | wc -l
X
has out 5

# ---- thresholds for other scores ----
t 'another checkpoint' 1 <<'X'
adds-threshold --apply th.json other.adds
X
has err "adds-threshold: th.json: *checkpoint 'test-model'*'other'*--fallback-global"
t 'another label set' 1 <<'X'
adds-threshold --apply th.json seven.adds
X
has err 'adds-threshold: th.json: *another label set*--fallback-global'
t 'another kind of score, also with --fallback-global' 1 <<'X'
adds-threshold --apply th.json --fallback-global cosines.adds
X
has err 'adds-threshold: th.json: *logits*similarities'
t '--fallback-global: one threshold for all' 0 <<'X'
global=$(sed 's/.*"global":{[^}]*"threshold":\([-0-9.e]*\)}.*/\1/' th.json)
adds-threshold --apply th.json --fallback-global --format tsv other.adds >a && adds-threshold --apply th.json --fallback-global --format tsv seven.adds >b &&
awk -F'\t' -v g="$global" '{z = log($3 / (1 - $3))} z < g - .001 {exit 1} END {exit NR < 10}' a
X
printf '{"adds":"thresholds","format":1' >cut.json
printf '[]' >list.json
printf 'hello' >text.json
sed 's/"threshold":[-0-9.e]*/"threshold":"x"/' th.json >word.json
sed 's/"labels_sha256":"../"labels_sha256":"/' th.json >hash.json
sed 's/"method":"f1"/"method":"best"/' th.json >method.json
sed 's/"format":1/"format":2/' th.json >format.json
sed 's/"name":"label3"/"name":"label33"/' th.json >names.json
sed 's/"name":"label3",//' th.json >noname.json
for file in cut list text word hash method format names noname not-there; do
	t "a thresholds file that is wrong: $file" 1 <<X
adds-threshold --apply $file.json scores.adds
X
	has err "adds-threshold: *$file.json*"
done

# ---- keywords for ExifTool ----
t '--format exiftool: an array as exiftool -json= reads it' 0 <<'X'
adds-threshold --top 2 --format exiftool -o tags.json scores.adds && adds-threshold --top 2 --format exiftool scores.adds | cmp - tags.json || exit
sed -n '2,60p' tags.json | grep -cE '^\{"SourceFile":"000[0-9]+.jpg","Subject":\["label[0-5]","label[0-5]"\]\},$'
sed -n '1p;61,$p' tags.json
X
has out '59?\[?{"SourceFile":"00059.jpg","Subject":\["label?","label?"]}?]'
t '... of no pictures, of those that could not be read, of pictures without tags' 0 <<'X'
adds-cat --head 0 -o zero.adds scores.adds && adds-threshold --top 2 --format exiftool zero.adds
adds-threshold -q --top 1 --format exiftool tree.adds | grep -c SourceFile
adds-threshold --threshold 1 --format exiftool scores.adds | head -2
X
has out '\[]?57?\[?{"SourceFile":"00000.jpg"},'
t '... of an input that was cut off: status 1, and no file' 1 <<'X'
head -c "$(($(wc -c <scores.adds) * 3 / 4))" scores.adds >short.adds
adds-threshold --top 2 --format exiftool short.adds >short.json 2>/dev/null; test $? -eq 1 && [ "$(tail -n 1 short.json)" != ']' ] || exit 3
adds-threshold --top 2 --format exiftool -o whole.json short.adds; rc=$?; ls whole.json* 2>/dev/null; exit $rc
X
has err '*short.adds*'
lacks out '*whole*'
mkdir exif && cd exif && printf 'one "b".jpg\nlat\351n.jpg\nc\\d.jpg\n' >paths && printf 'say "x"\nback\\slash\n' >labels && cd .. || exit 1
three_scores >exif/x.npy
t '... quotes and backslashes; a path that JSON cannot name is left out' 1 <<'X'
cd exif && adds-cat --import scores --npy x.npy --paths paths --labels labels --model-name m --score similarity -o s.adds || exit 3
adds-threshold --top 2 --format exiftool s.adds
X
has out '\[?{"SourceFile":"one ?"b?".jpg","Subject":\["say ?"x?"","back??slash"]},?{"SourceFile":"c??d.jpg","Subject":\["back??slash","say ?"x?""]}?]'
has err "adds-threshold: 1 path is no UTF-8, which JSON needs, and left out, the first: 'lat*"
if command -v exiftool >/dev/null; then
	t '... and ExifTool takes it: in the place of keywords, and behind them' 0 <<'X'
cd exif && mkdir p && cp "$top"/examples/shapes/val/0000.jpg p/a.jpg && cp "$top"/examples/shapes/val/0001.jpg p/b.jpg && cp p/a.jpg p/c.jpg &&
printf 'p/a.jpg\np/b.jpg\np/c.jpg\n' >paths && exiftool -q -overwrite_original_in_place -Subject=holiday p/a.jpg p/c.jpg &&
adds-cat --import scores --npy x.npy --paths paths --labels labels --model-name m --score similarity -o s.adds &&
adds-threshold --threshold 0.5 --format exiftool -o tags.json s.adds &&
for import in -json+=tags.json -json=tags.json; do
	exiftool -q "$import" -overwrite_original_in_place -r p && for f in p/a.jpg p/b.jpg p/c.jpg; do exiftool -q -s3 -Subject $f || exit; done || exit
done
adds-threshold --threshold 0.5 --exclude 'say "x"' --format exiftool -o tags.json s.adds && exiftool -q -json=tags.json -overwrite_original_in_place -r p; exiftool -q -s3 -Subject p/a.jpg
X
	has out 'holiday, say "x"?say "x"?holiday, back?slash?say "x"?say "x"?back?slash?say "x"'
else
	skip 'ExifTool: not installed (apt-get install libimage-exiftool-perl)'
fi

# ---- text files beside the pictures ----
mkdir in && cp scores.adds tree.adds in/
t 'one file a picture, one line' 0 <<'X'
cd in && adds-threshold --top 2 --format txt scores.adds && ls *.jpg.txt | wc -l && cat 00000.jpg.txt && wc -l <adds-sidecars.jsonl; ls | grep -c tmp; true
X
has out '60?label?, label??60?0'
t 'again: nothing to do, nothing noted' 0 <<'X'
cd in && adds-threshold --top 2 --format txt scores.adds && wc -l <adds-sidecars.jsonl
X
has out 60
t 'ours are written anew where the tags are others' 0 <<'X'
cd in && adds-threshold --top 1 --format txt scores.adds && cat 00000.jpg.txt
X
has out 'label?'
t '--undo takes both back, step by step' 0 <<'X'
cd in && adds-threshold --undo adds-sidecars.jsonl && ls *.txt 2>/dev/null | wc -l; rm adds-sidecars.jsonl
X
has out 0
t 'what others wrote is left alone' 1 <<'X'
cd in && printf 'mine, label9\n' >00003.jpg.txt && printf 'holiday' >00004.jpg.txt
adds-threshold -q --top 2 --format txt scores.adds; rc=$?; cat 00003.jpg.txt 00004.jpg.txt; ls *.jpg.txt | wc -l; exit $rc
X
has out 'mine, label9?holiday60'
has err "*'00003.jpg.txt' is there already and not ours: use --append or --overwrite*00004*"
t '--append adds what is missing' 0 <<'X'
cd in && adds-threshold --top 6 --append --format txt scores.adds && cat 00003.jpg.txt 00004.jpg.txt &&
adds-threshold --top 6 --append --format txt scores.adds && tr -cd , <00003.jpg.txt | wc -c
X
has out 'mine, label9, label*?holiday, label*7'
t 'undo gives the others their text' 0 <<'X'
cd in && adds-threshold --undo adds-sidecars.jsonl && cat 00003.jpg.txt 00004.jpg.txt && ls | grep -c txt; rm adds-sidecars.jsonl
X
has out 'mine, label9?holiday2'
t '--overwrite, and undo' 0 <<'X'
cd in && adds-threshold --top 1 --overwrite --format txt scores.adds && cat 00003.jpg.txt && adds-threshold --undo adds-sidecars.jsonl && cat 00003.jpg.txt
rm adds-sidecars.jsonl *.txt
X
has out 'label??mine, label9'
t 'undo leaves what was changed since' 1 <<'X'
cd in && adds-threshold --top 1 --ledger l --format txt scores.adds && echo new >00007.jpg.txt && adds-threshold -q --undo l; rc=$?; cat *.txt; rm *.txt l; exit $rc
X
has out new
has err '*1 file was changed*'
mkstream --kind scores --records 3 --labels 6 --precision bf16 -o bf16.adds || exit 1
for how in '--fit f1' '--top 1'; do
	t "joined streams of different precision are told: $how" 0 <<X
cat scores.adds bf16.adds | adds-threshold $how -o o
X
	has err 'adds-threshold: <stdin>: joined streams were computed in different precision: *'
done
t 'a ledger that a killed run left in the middle of a line' 0 <<'X'
cd in && adds-threshold --top 1 --ledger l --format txt scores.adds && printf '{"before":null,"fi' >>l && adds-threshold --top 2 --ledger l --format txt scores.adds &&
adds-threshold --undo l && ls *.txt 2>/dev/null | wc -l; rm l
X
has out 0
t 'a ledger that is none' 1 <<'X'
cd in && echo '{"a": 1}' >l && adds-threshold --undo l
X
has err 'adds-threshold: l: not a ledger*'
t 'a ledger that is not there' 1 <<'X'
adds-threshold --undo not-there
X
has err 'adds-threshold: *not-there*No such file*'
t '--replace-ext, --separator' 0 <<'X'
cd in && mkstream --kind scores --records 2 --prefix .hidden/a.b/x -o d.adds && mkdir -p .hidden/a.b && adds-threshold --top 2 --separator '; ' --replace-ext --format txt d.adds && cat .hidden/a.b/x00000.txt
X
has out 'label?; label?'
t 'a file with a zero byte is no text' 1 <<'X'
cd in && printf 'a\0b' >.hidden/a.b/x00001.jpg.txt && adds-threshold --top 1 --append --format txt d.adds
X
has err "*'.hidden/a.b/x00001.jpg.txt' is no text*"
t 'a folder that is not there' 1 <<'X'
mkstream --kind scores --records 2 --prefix gone/ -o d.adds && adds-threshold --top 1 --format txt d.adds
X
has err "adds-threshold: *gone/00000.jpg.txt*No such file*"
t 'paths and former texts that are not UTF-8 are written, remembered and taken back' 0 <<'X'
bad=$(printf 'lat\351n-'); former=$(printf 'caf\351'); mkdir bytes; cd bytes; echo "$former" >"${bad}00001.jpg.txt"
mkstream --kind scores --records 3 --prefix "$bad" -o d.adds && adds-threshold --top 1 --overwrite --ledger l --format txt d.adds &&
ls *.txt | wc -l && adds-threshold --top 2 --overwrite --ledger l --format txt d.adds && wc -l <l && grep -c '"before_hex":"636166e90a","file_hex"' l &&
adds-threshold --undo l && ls *.txt | wc -l && echo "$former" | cmp - "${bad}00001.jpg.txt"
X
has out '3?6?1?1'
# two pictures, one text file
mkdir two && cd two && printf 'a.jpg\nb.jpg\na.png\n' >paths && printf 'x\ny\n' >labels && cd .. || exit 1
three_scores >two/x.npy
t '--replace-ext: a text file is not shared by two pictures, in one run or the next' 0 <<'X'
cd two && adds-cat --import scores --npy x.npy --paths paths --labels labels --model-name m --score similarity -o s.adds || exit
for run in 1 2 3; do
	adds-threshold --top 1 --format txt --replace-ext s.adds 2>log; test $? -eq 1 && grep -c . log && cat log && grep -qx x a.txt && grep -qx x b.txt || exit 1
done
adds-threshold --top 1 --format txt --replace-ext --overwrite s.adds 2>log; test $? -eq 1 && grep -qx x a.txt || exit 1
adds-cat --rows 2: -o png.adds s.adds && adds-threshold --top 1 --format txt --replace-ext png.adds 2>log; test $? -eq 1 && cat log && grep -qx x a.txt || exit 1
adds-threshold --top 1 --format txt --replace-ext --overwrite png.adds && grep -qx y a.txt &&
adds-threshold --undo adds-sidecars.jsonl && ls *.txt 2>/dev/null | wc -l && adds-threshold --top 1 --format txt --replace-ext png.adds && grep -qx y a.txt
X
has out "1?adds-threshold: 'a.txt' is for the tags of 'a.jpg', and not for those of 'a.png' too: leave out --replace-ext?1*'a.jpg'*leave out --replace-ext?1*'a.jpg'*leave out --replace-ext?adds-threshold: 'a.txt' is for the tags of 'a.jpg'*--replace-ext, or use --append or --overwrite?0"
t 'without it each has its own' 0 <<'X'
cd two && adds-threshold --top 1 --format txt --ledger other s.adds && cat a.jpg.txt a.png.txt
X
has out 'x?y'

# tags behind those of a file that is there: all of it stays, in its style
mkdir add && cd add && printf 'a.jpg\nb.jpg\nc.jpg\n' >paths && printf 'cat\ndog\n' >labels && printf 'big, red\ndog\n' >commas || exit 1
three_scores >x.npy
for names in labels commas; do
	adds-cat --import scores --npy x.npy --paths paths --labels $names --model-name m --score similarity --rows :1 -o $names.adds || exit 1
done
cd ..
cat >append <<'X'
# STREAM BEFORE AFTER [option ...]: the text of the file, as printf takes it; --undo must give it back
stream=$1
printf "$2" >a.jpg.txt && printf "$2" >before && printf "$3" >after && rm -f l && shift 3 || exit
adds-threshold --top 2 --append --ledger l --format txt "$@" "$stream" || exit
od -c a.jpg.txt
cmp a.jpg.txt after && adds-threshold --undo l && cmp a.jpg.txt before
X
while IFS='|' read -r name before after options; do
	t "--append: $name" 0 <<X
cd add && sh ../append labels.adds '$before' '$after' $options
X
done <<'X'
one a line stays one a line|bird\nfish\n|bird\nfish\ncat\ndog\n|
a tag on a line of its own is there|bird\ncat\n|bird\ncat\ndog\n|
lines without a last line end|bird\nfish|bird\nfish\ncat\ndog\n|
lines as on Windows|bird\r\ncat\r\n|bird\r\ncat\r\ndog\r\n|
one line as on Windows|bird\r\n|bird, cat, dog\r\n|
commas without blanks|cat,bird\n|cat,bird,dog\n|
commas with blanks on both sides|bird , cat\n|bird , cat, dog\n|
a comma at the end|bird,\n|bird,cat,dog\n|
lines of several tags|bird, cat\nfish\n|bird, cat\nfish\ndog\n|
line ends asked for|bird\n|bird\ncat\ndog\n|--separator '\n'
line ends asked for, several lines|bird\ncat|bird\ncat\ndog\n|--separator '\n'
line ends asked for, as on Windows|bird\r\n|bird\r\ncat\r\ndog\r\n|--separator '\n'
another separator|bird; cat\n|bird; cat; dog\n|--separator '; '
empty lines at the end stay there|bird\nfish\n\n|bird\nfish\ncat\ndog\n\n|
a part of a word is no tag|wildcat, dogs\n|wildcat, dogs, cat, dog\n|
nothing is missing|dog,cat|dog,cat|
a byte order mark|\357\273\277cat\n|\357\273\277cat, dog\n|
an empty file||cat, dog\n|
X
t '--append: a tag with a comma in it' 0 <<'X'
cd add && sh ../append commas.adds 'bird\nbig, red\n' 'bird\nbig, red\ndog\n' && sh ../append commas.adds 'bird\n' 'bird, big, red, dog\n'
X
t '--separator knows line ends and tabs' 0 <<'X'
cd add && rm -f a.jpg.txt && adds-threshold --top 2 --ledger m --format txt --separator '\n' labels.adds && printf 'cat\ndog\n' | cmp - a.jpg.txt &&
adds-threshold --top 2 --ledger m --format txt --separator '\t\\' labels.adds && printf 'cat\t\\dog\n' | cmp - a.jpg.txt
X
t 'a stream in the place of the ledger is no ledger' 1 <<'X'
adds-threshold --undo scores.adds
X
has err 'adds-threshold: scores.adds: not a ledger of sidecars'
done_
