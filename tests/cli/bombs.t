# bombs.t - small files that claim or demand much: refused, or an error record, in little time and memory. Bounds are a second
# of processor time and 64 MiB, where no others stand beside the file.
. ./cli/lib.sh
model=$top/examples/mini_clip
unset ADDS_MODEL
cat >make.sh <<'X'
many() { # N BYTE
	head -c "$1" /dev/zero | tr '\0' "$2"
}
# four bytes, the least first
le() {
	printf "$(printf '\\%03o\\%03o\\%03o\\%03o' $(($1 & 255)) $(($1 >> 8 & 255)) $(($1 >> 16 & 255)) $(($1 >> 24 & 255)))"
}
# a safetensors file: JSON header, and so many bytes of zeros
st() {
	le ${#1} && le 0 && printf %s "$1" && head -c "$2" /dev/zero
}
npy() { # shape
	set -- "{'descr': '<f4', 'fortran_order': False, 'shape': $1, }"
	printf '\223NUMPY\1\0' && le ${#1} | head -c 2 && printf %s "$1" && head -c 64 /dev/zero
}
X
. ./make.sh

# 'what' 'SECONDS MIB' STATUS COMMAND
b() {
	t "$1" "$3" <<X
bounded $2 $4
X
}

# ---- pictures ----
mkdir pictures
mkbomb png 50000 50000 >pictures/a.png && mkbomb png 14000 14000 >pictures/b.png && mkbomb jpeg 65500 65500 >pictures/c.jpg &&
	mkbomb scans 2000 2000 1000 >pictures/d.jpg && mkbomb webp 16383 16383 >pictures/e.webp && mkbomb canvas 16000000 60000 >pictures/f.webp &&
	mkbomb canvas 12000 12000 >pictures/g.webp && mkbomb profile 64 >pictures/h.png && adds-index -o i.adds pictures || exit 1
b 'pictures: an error record each; a profile of 64 MiB is passed over' '1 64' 0 "adds-pyramid -q -j1 --levels 1 -m '$model' -o p.adds i.adds && adds-cat p.adds"
has out '*a.png  ERROR*50000 x 50000 pixels*b.png  ERROR*c.jpg  ERROR*65500 x 65500 pixels*d.jpg  ERROR*200 scans*e.webp  ERROR*16383 x 16383*f.webp  ERROR*g.webp  ERROR*h.png  1×1*7 errors*'
mkdir large && mkbomb scans 8000 8000 1000 >large/d.jpg && adds-index -o l.adds large || exit 1
b 'scans of 64 million pixels' '1 64' 0 "adds-pyramid -q -j1 --levels 1 -m '$model' -o p.adds l.adds && adds-cat p.adds"
has out '*d.jpg  ERROR*62 scans*'
b '... not where --max-pixels says less' '1 64' 0 "adds-pyramid -q -j1 --levels 1 --max-pixels 10000000 -m '$model' -o p.adds l.adds && adds-cat p.adds"
has out '*d.jpg  ERROR*8000 x 8000 pixels; at most 10000000*'

# ---- streams ----
if command -v zstd >/dev/null; then
	head -c 1G /dev/zero | zstd -q --check -o zeros.adds && (le 0 && le 1 && printf '{') | zstd -q --check -o header.adds &&
		(le -8 && le 2147483647 && printf '{') | zstd -q --check -o header63.adds && head -c 1M /dev/zero | zstd -q --long=31 --check -o window.adds || exit 1
	for f in 'zeros a message?s header of 0 bytes' 'header a message?s header of 4294967296 bytes, the limit is 1048576' \
		'header63 a message?s header of 9223372036854775800 bytes' 'window *too much memory'; do
		name=${f%% *}
		b "a stream: $f" '1 64' 1 "adds-cat --verify $name.adds"
		has err "adds-cat: $name.adds: *byte 0*${f#* }*"
		b "... salvaged: $name" '1 64' 1 "adds-cat --salvage -o o $name.adds"
		has err "adds-cat: $name.adds: no header of a stream is whole*"
	done
else
	skip 'streams: no zstd'
fi

# ---- labels ----
mkdir d && touch d/a.jpg
label() { # 'what' 'PATTERN': of d/a.json
	b "a label file: $1" '1 64' 1 'adds-index -o o d'
	has err "adds-index: 'd/a.json'*$2*"
}
many 100000 '[' >d/a.json
label 'arrays nested 100,000 deep' 'byte 64*nested more than 64 deep'
many 100000 '[' | sed 's/\[/{"a":/g' >d/a.json
label 'objects nested 100,000 deep' 'byte 320*nested more than 64 deep'
(printf '{"tags":["' && many 10000000 x && printf '"]}') >d/a.json
label 'a string of 10 MB' 'has 10000000 bytes, at most 1024 are allowed'
(printf '{"tags":[' && many 10000000 1 && printf ']}') >d/a.json
b 'a label file: a number of 10 MB, which is no tag' '1 64' 0 'adds-index -o o d'
many 17000000 ' ' >d/a.json
label 'more than 16 MiB' 'more than 16777216 bytes'
rm d/a.json && many 100000 '[' | sed 's/\[/{"a":/g' >d/organized_Tags.json
b 'a hierarchy nested 100,000 deep' '1 64' 1 'adds-index -o o d'
has err 'adds-index: d/organized_Tags.json: *nested more than 64 deep'
(printf '{' && awk 'BEGIN { for (i = 0; i < 4300000; i++) printf "%s\"%x\":{}", i ? "," : "", i; print "}" }') >d/organized_Tags.json
b 'a hierarchy of 4.3 million tags: no tree is built' '4 128' 1 'adds-index -o o d'
has err 'adds-index: d/organized_Tags.json: *more than 4194304 values'
rm d/organized_Tags.json
table() { # 'what' FILE 'PATTERN'
	b "a table: $1" '1 64' 1 "adds-index --labels $2 -o o d"
	has err "adds-index: '$2'*$3*"
}
(printf 'file_name,label\n"' && many 60000000 a) >t.csv
table 'a quote that is not closed' t.csv 'a record of more than 16777216 bytes*quote*'
many 60000000 a >t.jsonl
table 'one line' t.jsonl 'line 1: more than 16777216 bytes'
many 1000000 '[' | sed 's/^/{"images":/' >t.json
table 'COCO nested a million deep' t.json 'byte *'
many 100000000 a >list
b 'a list of one line' '1 64' 1 'adds-index --files-from list -o o'
has err "adds-index: 'list' holds a name of more than 65536 bytes"
b 'a vocabulary of one line' '1 256' 1 'adds-index --tags list -o o d'
has err 'adds-index: list: more than 67108864 bytes, the limit'

# ---- weights ----
cp -r "$model" m && cp -r "$model" good && rm m/open_clip_model.safetensors && echo cat >words || exit 1
encode() { # 'what' 'PATTERN' ['BOUNDS']
	b "a model: $1" "${3:-1 64}" 1 'adds-encode-text -m m -o o words'
	has err "adds-encode-text: *$2*"
}
weights() { # 'what' 'PATTERN'
	encode "$1" "m/open_clip_model.safetensors: $2"
}
tensor() { # SHAPE FROM TO
	printf '{"dtype":"F32","shape":[%s],"data_offsets":[%s,%s]}' "$1" "$2" "$3"
}
(le 0 && le 1 && printf '{') >m/open_clip_model.safetensors
weights 'a header of 4 GiB' 'this is no safetensors file*'
st "{\"a\":$(tensor 4 0 16),\"b\":$(tensor 4 8 24)}" 24 >m/open_clip_model.safetensors
weights 'tensors that overlap' "tensor 'b' begins at byte 8 of the data, not at 16"
st "{\"a\":$(tensor 4 0 16),\"b\":$(tensor 4 20 36)}" 36 >m/open_clip_model.safetensors
weights 'a hole between tensors' "tensor 'b' begins at byte 20*"
st "{\"a\":$(tensor 4 0 16)}" 8 >m/open_clip_model.safetensors
weights 'a tensor beyond the end' "tensor 'a' ends at byte 16 of the data, which has 8"
st "{\"a\":$(tensor 4 16 0)}" 16 >m/open_clip_model.safetensors
weights 'offsets that fall' '*rising offsets'
st "{\"a\":$(tensor 4294967296,4294967296 0 16)}" 16 >m/open_clip_model.safetensors
weights 'a product of sizes that wraps to 0' "tensor 'a' is too large"
st "{\"a\":$(tensor 4611686018427387905 0 4)}" 4 >m/open_clip_model.safetensors
weights 'a size that wraps to 4 bytes' '*'
(le 1000000 && le 0 && many 1000000 '[') >m/open_clip_model.safetensors
weights 'a header nested a million deep' '*nested more than 64 deep'
cp good/open_clip_model.safetensors m && many 900000 '[' >m/open_clip_config.json
encode 'a configuration nested 900,000 deep' 'm/open_clip_config.json: *nested more than 64 deep'
many 2000000 ' ' >m/open_clip_config.json
encode 'a configuration of 2 MB' 'm/open_clip_config.json: more than 1048576 bytes*'
cp good/open_clip_config.json m && many 5000000 '[' >m/vocab.json
encode 'a vocabulary nested 5 million deep' "'m/vocab.json'*"
rm m/vocab.json m/merges.txt && head -c 256M /dev/zero | gzip -1 >m/bpe_simple_vocab_16e6.txt.gz
encode 'a vocabulary of 256 MB of zeros, compressed' '*more than 67108864 bytes' '2 192'
rm -r m && mkmodel --shape siglip --naming hf --act gelu_tanh m >/dev/null && many 20000004 '\n' >m/spiece.model
encode 'a SentencePiece model of a million and a half pieces' "'m/spiece.model': more than 1048576 pieces"
printf '\n\377\377\377\377\017' >m/spiece.model
encode 'a piece of 4 GiB' "'m/spiece.model' byte 6: more bytes are announced than there are*"
# what writes 64 bytes for two, 8,000 times
cp "$top/tests/data/text/suffix.model" m/spiece.model && rm m/config.json && mkmodel --shape siglip --naming hf --act gelu_tanh --vocabulary 600 m >/dev/null && (printf 'x\t' && many 8000 x | sed 's/x/\xc2\xa4/g') >words
encode 'a text that the rules of its vocabulary blow up' 'prompt *after the vocabulary*rules, the limit is 262144'

# ---- arrays, thresholds, checkpoints, ledgers, runs ----
echo one >paths
for shape in '(4611686018427387904,4)' '(4294967296,4294967296)' '(1000000000,1)' '(1,99999999999999999999)' '(-1,4)'; do
	npy "$shape" >x.npy
	b "an array of the shape $shape" '1 64' 1 'adds-cat --import scores --npy x.npy --paths paths --labels paths --model-name m --score similarity -o o'
	has err 'adds-cat: x.npy: *shape*'
done
(printf '\223NUMPY\2\0' && le -1 && printf '{') >x.npy
b 'an array with a header of 4 GiB' '1 64' 1 'adds-cat --import scores --npy x.npy --paths paths --labels paths --model-name m --score similarity -o o'
has err 'adds-cat: x.npy: *header'
mkstream --kind scores --records 3 -o s.adds && mkstream --kind labels -o la.adds && mkstream --kind features -o f.adds || exit 1
many 1000000 '[' >t.json
b 'thresholds nested a million deep' '1 64' 1 'adds-threshold --apply t.json s.adds'
has err 'adds-threshold: t.json: *nested more than 64 deep'
many 5000000 1 | sed 's/1/1,/g; s/^/[/; s/$/1]/' >t.json
b 'thresholds of 5 million numbers: no tree is built' '2 64' 1 'adds-threshold --apply t.json s.adds'
has err 'adds-threshold: t.json: *more than 4194304 values'
(le 0 && le 1 && printf '{') >c.safetensors
b 'a checkpoint with a header of 4 GiB' '1 64' 1 'adds-eval -t la.adds -c c.safetensors -o o f.adds'
has err 'adds-eval: c.safetensors: not a safetensors checkpoint*'
st "{\"a\":$(tensor 4 0 16)}" 16 >c.safetensors && truncate -s 20G c.safetensors
b 'a checkpoint of 20 GB behind its last tensor' '1 64' 1 'adds-eval -t la.adds -c c.safetensors -o o f.adds'
has err 'adds-eval: c.safetensors: not a safetensors checkpoint: * bytes behind the last tensor'
rm c.safetensors
(printf '{"before":null,"file":' && many 1000000 '[' && echo) >ledger
b 'a ledger nested a million deep' '1 64' 1 'adds-threshold --undo ledger'
has err 'adds-threshold: ledger: *nested more than 64 deep'
mkdir run && many 100000 '[' >run/config.json
b 'the configuration of a run nested 100,000 deep' '1 64' 1 'adds-train --resume -o run'
has err 'adds-train: run/config.json: *nested more than 64 deep'
done_
