# adds-cat.t - streams shown, verified, joined, cut, converted, imported, salvaged
. ./cli/lib.sh
export top
mkstream --kind index --records 20 --labels 5 --errors 2 --parents 1 -o index.adds
mkstream --kind labels -o labels.adds
mkstream --kind scores --records 9 --errors 1 -o scores.adds
mkstream --records 200 --errors 7 --partial 1 --dtype F16 --width 64 -o features.adds
mkstream --records 40 --tokens 5 --ragged 1 --dtype BF16 -o ragged.adds

usual_options adds-cat --head
usual_input adds-cat '' features.adds
usual_output adds-cat features.adds text
on_terminal 'adds-cat: a stream to a terminal' 'adds-cat -o - features.adds' && has out '*terminal*'
head -c 9000 features.adds >broken.adds
usual_file adds-cat features.adds broken.adds

t 'a header is shown' 0 <<'X'
adds-cat --head 0 features.adds
X
has out 'features.adds: features*model *test-model*labels *4: label0, label1, label2, label3*'
t 'records are shown' 0 <<'X'
adds-cat scores.adds
X
has out '*00000.jpg *best: * label*ERROR in decode: not a picture*end: 9 records, 1 error*'
t 'a name cannot drive the terminal' 0 <<'X'
mkstream --kind index --records 1 --prefix "$(printf 'a\033[2J')" -o esc.adds && adds-cat esc.adds | LC_ALL=C tr -d '\n -~' >left && test ! -s left
X
t 'JSON Lines: one object a message' 0 <<'X'
adds-cat --jsonl index.adds >lines && test "$(wc -l <lines)" -eq 22 && cat lines
X
has out '{"format":1,"kind":"index","labels":\["label0",*"record":"header"*{"bytes":"1000",*"path":"00000.jpg","positive":\[*"record":"picture"}*{"errors":2,"record":"end","records":20,"tensors":*'
t 'JSON Lines with all numbers' 0 <<'X'
adds-cat --jsonl --values --head 1 labels.adds
X
has out '*"embedding":{"dtype":"F32","shape":\[8\],"values":\[*'
t 'sound files are verified' 0 <<'X'
adds-cat --verify index.adds labels.adds scores.adds features.adds
X
has out '*features.adds: features, 200 records, 7 errors: sound, seek table sound*'
t 'a broken one among them is named' 1 <<'X'
adds-cat --verify index.adds broken.adds labels.adds
X
has out '*index.adds: *sound*labels.adds: *sound*'
has err 'adds-cat: broken.adds: record * at byte *: * records before it are whole*'
t '-q: what is wrong is told, what is sound as well' 1 <<'X'
adds-cat --verify -q broken.adds index.adds
X
has out 'index.adds: *sound*'
has err 'adds-cat: broken.adds: record * at byte *'
t '-qq: the status alone tells' 1 <<'X'
adds-cat --verify -qq broken.adds index.adds
X
t 'a pipe is verified' 0 <<'X'
mkstream --records 3 | adds-cat --verify
X
has out '<stdin>: features, 3 records, 0 errors: sound, no seek table*'

t 'a copy is the same bytes, with and without a thread' 0 <<'X'
adds-cat -o copy.adds features.adds && cmp copy.adds features.adds && adds-cat -j1 -o copy2.adds features.adds && cmp copy.adds copy2.adds
X
t 'joining by cat and by adds-cat is the same' 0 <<'X'
cat features.adds features.adds >cat.adds && adds-cat -o a.adds features.adds features.adds && adds-cat -o b.adds cat.adds && cmp a.adds b.adds && adds-cat --verify cat.adds a.adds
X
has out 'cat.adds: features, 400 records, 14 errors: sound, seek table sound*'
t 'streams that differ are not joined' 1 <<'X'
mkstream --model other -o other.adds && mkstream -o same.adds && adds-cat -o x.adds same.adds other.adds
X
has err '*other.adds: *"other", in the first "test-model"*'
t 'precision may differ' 0 <<'X'
mkstream --precision bf16 -o bf16.adds && adds-cat -o x.adds same.adds bf16.adds
X
has err '*different precision: "f32" and "bf16"*'
t 'selection by pattern, number, kind' 0 <<'X'
adds-cat --path '*7.jpg' --head 2 -o - features.adds | adds-cat --jsonl >lines && grep -c '"path":"000[01]7.jpg"' lines &&
test "$(adds-cat --only error features.adds | grep -c ERROR)" -eq 7 && test "$(adds-cat --rows 10:20:5 features.adds | grep -c 'jpg')" -eq 2 &&
printf '3 1\n' >rows && adds-cat --rows rows features.adds
X
has out '2*     1  00001.jpg*     3  00003.jpg*end: *'
t 'the provenance tells one list of rows from another' 0 <<'X'
printf '3 1\n' >rows && printf '3 2\n' >others && adds-cat --rows rows -o a.adds features.adds && adds-cat --rows others -o b.adds features.adds &&
adds-cat --jsonl a.adds | head -1 | grep -c "\"rows\":\"a list\",\"rows_sha256\":\"$(sha256sum rows | cut -d' ' -f1)\"" &&
adds-cat --jsonl b.adds | head -1 | grep -c "\"rows_sha256\":\"$(sha256sum others | cut -d' ' -f1)\"" && adds-cat --rows 1:3 -o c.adds features.adds && adds-cat --jsonl c.adds | head -1 | grep -c '"rows":"1:3"}'
X
has out '1?1?1'
t 'a level changes the bytes, not the records' 0 <<'X'
adds-cat --level 9 -o l9.adds features.adds && adds-cat l9.adds | tail -n +2 >a && adds-cat features.adds | tail -n +2 >b && cmp a b
X

t 'salvage keeps what is whole' 0 <<'X'
adds-cat --salvage -o saved.adds broken.adds && adds-cat --verify saved.adds
X
has err '*saved*'
has out 'saved.adds: features, *sound*'
cp features.adds middle.adds && flip middle.adds 30000
t 'salvage goes on behind a broken frame' 0 <<'X'
adds-cat --salvage -o saved.adds middle.adds && adds-cat --verify saved.adds
X
has err '*136 records are saved; 1 places are broken*'
has out 'saved.adds: features, 136 records*'

t 'arrays go out and come back' 0 <<'X'
adds-cat --npy x.npy --paths p.txt --labels l.txt --targets y.npy features.adds &&
adds-cat --import features --npy x.npy --paths p.txt --labels l.txt --targets y.npy --model-name test-model -o back.adds &&
adds-cat --npy x2.npy --targets y2.npy --paths p2.txt --labels l2.txt back.adds && cmp x.npy x2.npy && cmp y.npy y2.npy && cmp p.txt p2.txt && cmp l.txt l2.txt
X
has err '*7 records without *tokens* were left out*'
t 'rows of different number need --lengths' 1 <<'X'
adds-cat --npy r.npy ragged.adds
X
has err '*--lengths*'
t 'rows of different number, into both kinds of file' 0 <<'X'
adds-cat --npy r.npy --lengths n.npy ragged.adds && adds-cat --safetensors r.safetensors ragged.adds && ls r.npy n.npy && head -c 4000 r.safetensors | tr -d '\0'
X
has out '*"tokens":{"data_offsets":\[0,1920\],"dtype":"BF16","shape":\[120,8\]},"lengths":{*'
t 'scores come back' 0 <<'X'
adds-cat --npy s.npy --paths p.txt --labels l.txt --targets y.npy scores.adds && adds-cat --import scores --npy s.npy --paths p.txt --labels l.txt --targets y.npy --model-name m --score similarity -o sim.adds && adds-cat sim.adds
X
has err '*left out*'
has out '*checkpoint   m*score        similarity*'
t 'labels come back' 0 <<'X'
adds-cat --npy e.npy --paths l.txt labels.adds && adds-cat --import labels --npy e.npy --labels l.txt --model-name m -o l.adds && adds-cat --npy e2.npy l.adds && cmp e.npy e2.npy
X
t 'a value that no list names' 1 <<'X'
adds-cat --import scores --npy s.npy --paths p.txt --labels l.txt --targets y.npy --model-name m --positive 5 -o x.adds
X
has err 'adds-cat: y.npy: row 0, label 2: 1 is none of the values*'
t 'import says what is missing before it looks' 2 <<'X'
adds-cat --import features --npy nothing.npy
X
has err '*--model-name*'
t 'a new index labels old features' 0 <<'X'
mkstream --kind index --records 200 --labels 9 --seed 5 -o new.adds && adds-cat --relabel new.adds -o relab.adds features.adds && adds-cat relab.adds
X
has out '*labels       9: label0*made by *relabel*end: 200 records, 7 errors*'
has err '*of the index has no features yet*'
t 'things that exclude one another' 2 <<'X'
adds-cat --verify --jsonl features.adds
X
has err '*exclude one another*'

t 'streams that must be accepted' 0 <<'X'
adds-cat --verify "$top"/tests/data/good/*.adds
X
has out '*tiny.adds: index, 1 record, 0 errors: sound*'
for f in "$top"/tests/data/bad/*.adds; do
	export f
	t "must be refused: $(basename "$f")" 1 <<'X'
adds-cat --verify "$f"
X
	has err "adds-cat: *$(basename "$f")*"
done

t 'the reader of adds(5) is examples/read.c' 0 <<'X'
sed -n '/^.Ss A complete reader/,/^.Ed/p' "$top/man/adds.5" | sed '1,2d;$d;s/\\e/\\/g' >page.c && cmp page.c "$top/examples/read.c"
X
t 'it reads what it should, and refuses a cut stream' 0 <<'X'
cc -o read "$top/examples/read.c" -lzstd && for f in "$top"/tests/data/good/*.adds; do ./read <"$f" >out || exit; grep -q 'record.*end' out || exit; done &&
! ./read <"$top/tests/data/bad/cut.adds" >out 2>err && grep -q 'ends early' err
X
t 'the dump of adds(5) is a real stream' 0 <<'X'
sed -n '/^.Ss The smallest/,/^.Ed/p' "$top/man/adds.5" | sed -nE 's/^[0-9a-f]{4}  (.{47})  .*/\1/p' | tr -d ' \n' >page.hex &&
cc -o read "$top/examples/read.c" -lzstd && zstd -dcq "$top/tests/data/good/tiny.adds" | od -An -v -tx1 | tr -d ' \n' >real.hex && cmp page.hex real.hex
X
python=$(for p in /usr/bin/python3 python3; do $p -c 'import zstandard, safetensors' 2>/dev/null && echo $p && break; done)
if [ "$python" ]; then
	export python
	t 'the example in Python reads the same' 0 <<'X'
"$python" "$top/examples/read.py" features.adds
X
	has out '*picture 00000.jpg*(3, 64)*end*'
else
	skip 'the example in Python: no zstandard and safetensors'
fi
if [ -d "$DATA/clip_vitb32_flickr8k" ] && [ -d "$DATA/voc2007_scores" ]; then
	export DATA
	t 'real CLIP features with votes as targets' 0 <<'X'
f=$DATA/clip_vitb32_flickr8k
tail -n +2 "$f/labels.tsv" | cut -f2 >names && tail -n +2 "$f/captions.tsv" | cut -f2 >paths && seq 0 983 | awk '$1 % 10 < 7' >train
adds-cat --import features --npy "$f/image_features.npy" --paths paths --labels names --targets "$f/label_mentions.npy" \
	--positive 2,3,4,5 --unknown 1 --negative 0 --model-name ViT-B-32 --rows train -o train.adds && adds-cat --verify train.adds &&
adds-cat --npy x.npy train.adds && tail -c +129 x.npy | head -c 3072 >a && tail -c +129 "$f/image_features.npy" | head -c 3072 >b && cmp a b
X
	has out 'train.adds: features, 690 records, 0 errors: sound, seek table sound'
	t 'real scores, and the mean average precision they are known for' 0 <<'X'
v=$DATA/voc2007_scores
adds-cat --import scores --npy "$v/scores_dualcoop_b.npy" --paths "$v/image_ids.txt" --labels "$v/classes.txt" --targets "$v/targets.npy" \
	--positive 1 --negative=-1 --unknown 0 --model-name b -o voc.adds && adds-eval voc.adds
X
	has out '*4952 labelled*0.9515*'
else
	skip 'real features and scores: no test data'
fi
t 'libadds.a needs zstd, cjson and crypto alone' 0 <<'X'
cat >all.c <<'Y'
#include "adds.h"
int
main(int argc, char **argv)
{
	struct adds_error err;
	struct adds_reader *r = adds_reader_open(argv[argc - 1], 0, &err);
	struct adds_writer *w = adds_writer_open("copy", 0, &err);
	const struct adds_message *m;
	int rc = !r || !w || adds_writer_header(w, adds_reader_header(r), &err) < 0;

	while (!rc && adds_reader_read(r, &m, &err) > 0)
		rc = adds_writer_write(w, m, &err) < 0;
	rc = rc || adds_reader_total(r, &err) != 200 || adds_writer_finish(w, adds_reader_end(r), &err) < 0;
	adds_reader_close(r);
	return rc;
}
Y
case $BUILD in *san-*) san=-fsanitize=${BUILD##*san-}; san=$(echo "$san" | tr - , | sed 's/^,/-/') ;; esac
cc -Wall $san -I"$top/lib" -o all all.c "$BUILD/libadds.a" -lzstd -lcjson -lcrypto -pthread && ./all features.adds && cmp copy features.adds
X
for shape in '()' '(4611686018427387904, 4)' '(9223372036854775807,)'; do
	t "an array of the shape $shape" 1 <<X
{ printf '\223NUMPY\001\000\166\000'; printf '%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': $shape, }"; printf 'abcd'; } >odd.npy
echo a.jpg >one.txt; adds-cat --import features --npy odd.npy --paths one.txt --model-name m -o odd.adds
X
	case $shape in
	'()') has err 'adds-cat: odd.npy: a single number, and no array' ;;
	*) has err 'adds-cat: odd.npy: a shape beyond the address space' ;;
	esac
done
t 'no record has the tensor that goes out' 1 <<'X'
adds-cat --only error -o none.adds features.adds && adds-cat --npy n.npy none.adds && exit 3; adds-cat --npy n.npy - <none.adds && exit 3
adds-cat --safetensors n.st --tensor nothing features.adds
X
has err "adds-cat: none.adds: no record has a tensor 'tokens'?adds-cat: <stdin>: no record*?adds-cat: features.adds: no record has a tensor 'nothing'"
t 'rows that are not there' 1 <<'X'
echo 10000 >rows && adds-cat --rows rows features.adds >o && exit 3; printf '\223NUMPY\001\000\166\000' >two.npy; printf '%-117s\n' "{'descr': '<f4', 'fortran_order': False, 'shape': (2, 1), }" >>two.npy; printf 'abcdefgh' >>two.npy
printf 'a.jpg\nb.jpg\n' >two.txt; echo 2 >rows; adds-cat --import features --npy two.npy --paths two.txt --model-name m --rows rows -o two.adds; rc=$?; test ! -e two.adds && exit $rc
X
has err 'adds-cat: rows: there is no row 10000: there are *, counted from 0?adds-cat: rows: there is no row 2: there are 2, counted from 0'
t 'a value with two meanings, a model without a name' 2 <<'X'
adds-cat --import features --npy two.npy --paths two.txt --labels two.txt --targets two.npy --positive 0 --model-name m -o two.adds; test $? -eq 2 || exit
adds-cat --import features --npy two.npy --paths two.txt --model-name '' -o two.adds
X
has err '*0 is both --positive and --negative: name all three lists*--model-name: the value is empty*'
t 'names that cannot be lines: no array is left alone' 1 <<'X'
mkstream --kind features --records 3 --prefix "$(printf 'a\nb')" -o lines.adds && adds-cat --npy lines.npy --paths lines.txt lines.adds; rc=$?; ls lines.npy; exit $rc
X
has err '*lines.txt: a name holds a line break*No such file*'
done_
