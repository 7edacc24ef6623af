# adds-pyramid.t - pictures to tokens: options, errors, the same bytes always, cache
. ./cli/lib.sh
. "$top/tests/cli/usual.sh"
unset ADDS_MODEL
model=$top/examples/mini_clip
export model top
mkdir p
for n in 0000 0001 0002 0003 0004 0005; do
	cp "$top/examples/shapes/val/$n".* p/
done
rm p/*.json
find p -type f -exec touch -d 2020-01-01 {} +
adds-index p >index.adds || exit 1
printf 'no picture\n' >p/broken.jpg
touch -d 2020-01-01 p/broken.jpg
adds-index p >seven.adds || exit 1
rm p/broken.jpg

usual_options adds-pyramid --threads
usual_input adds-pyramid "-m $model" seven.adds
usual_output adds-pyramid "-m $model index.adds"
usual_file adds-pyramid "-m $model index.adds" "-m $model not-there.adds"

# ---- wrong usage, before any input is waited for ----
t 'no model' 2 <<'X'
adds-pyramid index.adds >out
X
has err '*ADDS_MODEL*'
t 'a model that is not there' 1 <<'X'
adds-pyramid -m not-there - >out
X
has err '*not-there*'
for wrong in '--levels 2 --side 100' '--cache-size x --cache c' '--fit stretch' '--pool 0' '--levels 11' 'a.adds b.adds'; do
	t "wrong usage: $wrong" 2 <<X
adds-pyramid -m "$model" $wrong >out
X
	has err '*--help*'
done
t 'windows larger than a tile' 1 <<'X'
adds-pyramid -m "$model" --pool 9 index.adds >out
X
has err '*windows of 9 x 9 patches, but a tile has 8 x 8*'
t 'more tiles than can be' 1 <<'X'
adds-pyramid -m "$model" --levels 8 index.adds >out
X
has err '*tiles a picture*'
t 'another kind of stream' 1 <<'X'
adds-pyramid -m "$model" -o features.adds index.adds && adds-pyramid -m "$model" features.adds >out
X
has err '*features.adds*a stream of features, but one of index (from adds-index) is needed here*'

t 'what no configuration says is told in one line, with how to say it' 0 <<'X'
mkmodel --vocabulary 600 --no-config bare >o && adds-pyramid -m bare --activation gelu index.adds >a.adds
X
has err "adds-pyramid: model 'bare': no configuration says, so it is assumed: picture tower: 2 heads of 64 channels (--heads); *epsilon 1e-05 (--eps); text tower: 2 heads * (--text-heads); *; pixels: * (preprocessor_config.json)"
lacks err '*
*'
t '... and what options and files say is not' 0 <<'X'
printf '{"resample":3,"image_mean":[0.48145466,0.4578275,0.40821073],"image_std":[0.26862954,0.26130258,0.27577711]}' >bare/preprocessor_config.json
adds-pyramid -m bare --activation gelu --heads 2 --text-heads 2 --eps 1e-5 index.adds >b.adds && adds-pyramid -q -m bare --activation gelu index.adds >c.adds && adds-cat --npy a.npy a.adds && adds-cat --npy b.npy b.adds && adds-cat --npy c.npy c.adds && cmp a.npy b.npy && cmp b.npy c.npy
X

# ---- what comes out ----
t 'ADDS_MODEL names the model; standard input is the default' 0 <<'X'
ADDS_MODEL=$model adds-pyramid <index.adds >a.adds && adds-pyramid -m "$model" index.adds >b.adds && cmp a.adds b.adds
X
t 'levels, tiles and tokens as the dry run says' 0 <<'X'
adds-pyramid -m "$model" --levels 3 --pool 2 --dry-run index.adds >plan && cat plan
X
has out '6 pictures, 0 other records*levels of 64, 128, 256 pixels: 21 tiles*17 tokens a tile, 357 a picture, each of 128 f16: 91392 bytes*'
t 'and the stream has them' 0 <<'X'
adds-pyramid -m "$model" --levels 3 --pool 2 index.adds >a.adds && zstd -dcq a.adds >a.raw &&
grep -a -o '"tokens":{[^}]*}' a.raw | grep -c '"shape":\[357,128\]'
grep -a -o '"tiles":{[^}]*}' a.raw | grep -c '"shape":\[21,6\]'
X
has out '6
6'
t 'the header holds model, preprocessing, levels, tokens, type, precision' 0 <<'X'
adds-pyramid -m "$model" --precision f32 index.adds | zstd -dcq | head -c 2000 | tr -d '\\' >a.raw
for field in '"dtype":"f16"' '"levels":2' '"pool":4' '"precision":"f32"' '"tokens":"all"' '"S":64' '"fit":"pad"' \
	'"filter":"bicubic"' '"reference":0' '"mean":[0.4814546' '"program":"adds-pyramid"'; do
	grep -aqF "$field" a.raw || echo "no $field" >&2
done
X
t 'tokens cls, patch and all; every type' 0 <<'X'
for tokens in cls patch all; do for dtype in f16 bf16 f32; do
	adds-pyramid -m "$model" --levels 1 --tokens $tokens --dtype $dtype index.adds >a.adds &&
	zstd -dcq a.adds | grep -a -o '"tokens":{[^}]*}' | sort | uniq -c | sed 's/.*dtype":"//; s/","shape":/ /'
done; done
X
has out 'F16 \[1,128\]}
BF16 \[1,128\]}
F32 \[1,128\]}
F16 \[4,128\]}
BF16 \[4,128\]}
F32 \[4,128\]}
F16 \[5,128\]}
BF16 \[5,128\]}
F32 \[5,128\]}'
t 'pictures in the stream give the same tokens, and are not passed on' 0 <<'X'
adds-index --embed p >e.adds && mv p elsewhere && adds-pyramid -m "$model" e.adds >a.adds
status=$?; mv elsewhere p; test $status -eq 0
adds-pyramid -m "$model" index.adds >b.adds &&
adds-cat --jsonl --values a.adds | grep '"record":"picture"' >a && adds-cat --jsonl --values b.adds | grep '"record":"picture"' >b && cmp a b
X

# ---- pictures that cannot be read ----
t 'a broken picture is an error record' 0 <<'X'
printf 'no picture\n' >p/broken.jpg; touch -d 2020-01-01 p/broken.jpg
adds-pyramid -m "$model" -o a.adds seven.adds && adds-cat --jsonl a.adds | grep '"record":"error"'
X
has err 'adds-pyramid: 1 error record; the first picture that could not be read: *p/broken.jpg*: is neither JPEG nor PNG nor WebP'
has out '*"path":"p/broken.jpg","reason":"is neither JPEG nor PNG nor WebP"*"stage":"decode"*'
t 'error records are passed on' 0 <<'X'
adds-cat a.adds >/dev/null; rm -f gone.adds; mkdir -p one; cp p/0000.* one/; adds-index one >one.adds; rm one/*
adds-pyramid -m "$model" one.adds | adds-cat --jsonl | grep '"stage":"open"'
X
has err '*cannot open: No such file*'
t '--strict: the stream is whole, the status 1' 1 <<'X'
adds-pyramid -m "$model" --strict -o strict.adds seven.adds
X
has err '*1 error record*'
t '... whole' 0 <<'X'
adds-cat --verify strict.adds
X
t '--on-error stop' 1 <<'X'
adds-pyramid -m "$model" --on-error stop -o stopped.adds seven.adds; status=$?; test ! -e stopped.adds && exit $status
X
has err "adds-pyramid: 'p/broken.jpg': is neither JPEG nor PNG nor WebP"
t 'a fifo among the pictures hangs nobody' 0 <<'X'
mkdir -p f && cp p/0000.* f/a.png && adds-index f >f.adds && rm f/a.png && mkfifo f/a.png
adds-pyramid -m "$model" f.adds | adds-cat --jsonl | grep -o 'is not a regular file'
X
has err '*is not a regular file*'
t '--max-pixels' 0 <<'X'
adds-pyramid -m "$model" --max-pixels 1000 index.adds | adds-cat --jsonl | grep -c 'at most 1000 are read'
X
has err '*6 error records*'
has out 6

# ---- the same bytes for any number of threads, batch, chunk of the pipe ----
cat >chunks <<'X'
for threads in 1 2 3 8; do for batch in 1 7 32; do
	adds-pyramid -m "$model" -j $threads --batch $batch seven.adds 2>/dev/null | sha256sum
done; done
for size in 1 4096 1048576; do
	dd if=seven.adds bs=$size 2>/dev/null | adds-pyramid -m "$model" 2>/dev/null | sha256sum
done
X
t 'one digest for threads 1 2 3 8, batches 1 7 32, chunks of 1 B, 4 KB, 1 MB' 0 <<'X'
sh chunks | sort -u | wc -l
X
has out 1
t 'one digest with AVX2 alone, too' 0 <<'X'
ONEDNN_MAX_CPU_ISA=AVX2 sh chunks | sort -u | wc -l
X
has out 1

# ---- cache ----
opened() { # PATTERN of "N pictures opened, tokens of M found"
	has err "*adds-pyramid: $1 found in the cache*"
}
t 'a cache is filled; the bytes are those of a run without' 0 <<'X'
adds-pyramid -m "$model" index.adds >plain.adds && adds-pyramid -v -m "$model" --cache c index.adds >a.adds && cmp a.adds plain.adds
X
opened '6 pictures opened, tokens of 0'
has err '*adds-pyramid: copies of weights, packed for products: *MB*'
t 'unchanged files are not opened' 0 <<'X'
chmod 0 p/*; adds-pyramid -v -m "$model" --cache c index.adds >a.adds; status=$?; chmod 644 p/*; test $status -eq 0 && cmp a.adds plain.adds
X
opened '0 pictures opened, tokens of 6'
t 'a renamed picture is found by its content' 0 <<'X'
cp p/0003.* q.tmp && mkdir r && cp q.tmp r/other.jpg && adds-index r >r.adds
adds-pyramid -m "$model" r.adds >plain.r && adds-pyramid -v -m "$model" --cache c r.adds >a.adds && cmp a.adds plain.r
X
opened '1 picture opened, tokens of 1'
t 'other settings are other entries' 0 <<'X'
adds-pyramid -v -m "$model" --cache c --fit crop index.adds >a.adds && adds-pyramid -m "$model" --fit crop index.adds >b.adds && cmp a.adds b.adds
X
opened '6 pictures opened, tokens of 0'
t 'a lower --max-pixels refuses what is kept' 0 <<'X'
adds-pyramid -m "$model" --cache c --max-pixels 1000 index.adds >a.adds; adds-pyramid -m "$model" --max-pixels 1000 index.adds >b.adds; cmp a.adds b.adds
X
has err '*6 error records*'
t 'damaged entries are encoded anew' 0 <<'X'
for f in c/entries/*/*; do printf x | dd of="$f" bs=1 seek=200 conv=notrunc 2>/dev/null; done
adds-pyramid -v -m "$model" --cache c index.adds >a.adds && cmp a.adds plain.adds
X
opened '6 pictures opened, tokens of 0'
t 'cut entries, too' 0 <<'X'
for f in c/entries/*/*; do head -c 100 "$f" >cut && cp cut "$f"; done
adds-pyramid -v -m "$model" --cache c index.adds >a.adds && cmp a.adds plain.adds
X
opened '6 pictures opened, tokens of 0'
t 'an output that is current is left in place' 0 <<'X'
adds-pyramid -m "$model" --cache c -o out.adds index.adds && ls -i --full-time out.adds >before && sleep .1 &&
adds-pyramid -v -m "$model" --cache c -o out.adds index.adds && ls -i --full-time out.adds | cmp - before
adds-pyramid -m "$model" -o plain.o index.adds && cmp out.adds plain.o
X
has err "*'out.adds' is current: left as it is*0 pictures opened, tokens of 0 found*"
t 'a changed picture, a new one, one that is gone' 0 <<'X'
cp p/0000.* keep.first; cp p/0005.* p/0002.jpg 2>/dev/null; cp p/0001.* p/0009.jpg; rm p/0000.*; adds-index p >changed.adds
adds-pyramid -q -m "$model" -o b.adds changed.adds; adds-pyramid -q -m "$model" --cache c -o out.adds changed.adds && cmp out.adds b.adds
adds-pyramid -q -m "$model" --cache c -o out.adds changed.adds && cmp out.adds b.adds
X
t 'an output that somebody has changed is written anew' 0 <<'X'
head -c 1000 out.adds >x && cat x >out.adds && adds-pyramid -q -m "$model" --cache c -o out.adds changed.adds && cmp out.adds b.adds
X
t 'shorter and longer inputs after an output was current' 0 <<'X'
adds-index r >short.adds && adds-pyramid -m "$model" --cache c -o s.adds short.adds && cp p/0003.* r/z.jpg && touch -d 2020-01-01 r/z.jpg && adds-index r >long.adds
adds-pyramid -m "$model" --cache c -o s.adds long.adds && adds-pyramid -m "$model" -o t.adds long.adds && cmp s.adds t.adds &&
adds-pyramid -m "$model" --cache c -o s.adds short.adds && adds-pyramid -m "$model" -o t.adds short.adds && cmp s.adds t.adds
X
t '--on-error stop is not silenced by a current output with errors' 1 <<'X'
adds-pyramid -qq -m "$model" --cache c -o e.adds seven.adds && adds-pyramid -m "$model" --cache c --on-error stop -o e.adds seven.adds
X
has err '*p/*'
t 'two runs at once, and one killed: the next gives the bytes of a run without cache' 0 <<'X'
adds-index p >k.adds; adds-pyramid -q -m "$model" k.adds >b.adds
adds-pyramid -q -m "$model" --cache k k.adds >a1.adds & one=$!
adds-pyramid -q -m "$model" --cache k k.adds >a2.adds & two=$!
adds-pyramid -q -m "$model" --cache k k.adds >a3.adds & three=$!
sleep .2; kill -9 $three; wait $one && wait $two && cmp a1.adds b.adds && cmp a2.adds b.adds
adds-pyramid -q -m "$model" --cache k k.adds >a4.adds && cmp a4.adds b.adds
X
has err '*'
t 'the cache stays below its limit' 0 <<'X'
adds-pyramid -q -m "$model" --cache small --cache-size 20K index.adds >a.adds
test $(cat small/entries/*/* | wc -c) -le 20480 && test $(cat small/entries/*/* | wc -c) -gt 6000
X
t 'a former output: what it has is not encoded again, and the bytes are those of a run without' 0 <<'X'
adds-index p >now.adds && adds-pyramid -m "$model" -o former.adds now.adds && cp p/0004.* p/0001.jpg && cp p/0005.* p/moved.png && rm p/0005.* && printf x >p/new.png
adds-index p >now.adds && adds-pyramid -q -m "$model" -o b.adds now.adds; adds-pyramid -v -m "$model" --cache former.adds -o a.adds now.adds && cmp a.adds b.adds &&
adds-pyramid -q -m "$model" --cache former.adds -o former.adds now.adds && cmp former.adds b.adds
X
has err '*tokens of [4-9] found in the cache*'
t 'a former output of other settings' 1 <<'X'
adds-pyramid -m "$model" --fit crop --cache former.adds now.adds >a.adds
X
has err "*--cache: *'former.adds': was made with another 'prep'*"
t 'one that was cut off' 1 <<'X'
head -c 2000 former.adds >cut.adds && adds-pyramid -m "$model" --cache cut.adds now.adds >a.adds
X
has err '*cut.adds: *'
t 'one with a flipped byte' 1 <<'X'
cp former.adds flip.adds && printf x | dd of=flip.adds bs=1 seek=1500 conv=notrunc 2>/dev/null && adds-pyramid -m "$model" --cache flip.adds now.adds >a.adds
X
has err '*flip.adds: *'
t 'a stream that is none of adds-pyramid' 1 <<'X'
adds-pyramid -m "$model" --cache now.adds now.adds >a.adds
X
has err '*was made with another*'
t 'a cache deep down: the folders above it are made' 0 <<'X'
adds-pyramid -q -m "$model" --cache deep/er/c/ now.adds >a.adds && test -f deep/er/c/CACHEDIR.TAG &&
adds-pyramid -q -m "$model" --cache "$PWD/absolute/c" now.adds >b.adds && test -f absolute/c/CACHEDIR.TAG && cmp a.adds b.adds
X
t 'a cache that cannot be made' 1 <<'X'
adds-pyramid -m "$model" --cache index.adds/x index.adds >a.adds
X
has err "*cannot make the cache's folder*"

# ---- with the other programs ----
t 'the pipeline: index, pyramid, zero-shot evaluation' 0 <<'X'
adds-encode-text -m "$model" -o labels.adds "$top/examples/shapes/organized_Tags.json" &&
adds-index "$top/examples/shapes/val" | adds-pyramid -m "$model" --levels 1 >val.adds &&
adds-eval -t labels.adds --zero-shot -o scores.adds val.adds >/dev/null 2>&1
X
done_
