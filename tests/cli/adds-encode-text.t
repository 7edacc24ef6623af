# adds-encode-text.t - label names to a label stream
. ./cli/lib.sh
. "$top/tests/cli/usual.sh"
unset ADDS_MODEL ADDS_DATADIR
mkmodel --shape mini model >/dev/null || exit 1
printf 'cat\ntraffic_light\n\n  zebra crossing \r\njaguar\ta jaguar\tthe animal jaguar\n' >list.txt
adds-encode-text -m model -o good.adds list.txt || exit 1
adds-cat --jsonl --values good.adds >good.values
export top
printf '{"animal": {"cat": [], "dog": ["poodle"]}, "thing": ["traffic light"]}' >organized_Tags.json

usual_options adds-encode-text --level
usual_output adds-encode-text '-m model list.txt'
usual_file adds-encode-text '-m model list.txt' '-m model not-there.txt'

# ---- labels in ----
t 'a list: trimmed, blank lines skipped, order kept' 0 <<'X'
adds-cat --jsonl good.adds >text && grep -c '"record":"label"' text
X
has out 4
t 'standard input is the same as a file' 0 <<'X'
adds-encode-text -m model <list.txt >a.adds && adds-encode-text -m model - <list.txt >b.adds &&
cat list.txt | adds-encode-text -m model >c.adds && cmp a.adds b.adds && cmp a.adds c.adds && cmp a.adds good.adds
adds-encode-text -m model list.txt | cat | adds-cat --jsonl --values | cmp - good.values
X
t 'organized_Tags.json: all names at all levels, sorted' 0 <<'X'
adds-encode-text --template '{}' --show-tokens organized_Tags.json >a
printf 'animal\ncat\ndog\npoodle\nthing\ntraffic light\n' | adds-encode-text --template '{}' --show-tokens >b
cmp a b
X
t 'a stream: its vocabulary, from a file, a pipe and a label stream' 0 <<'X'
mkstream --kind index --records 30 --labels 5 --parents 1 -o index.adds
mkstream --kind features --records 300 --labels 5 -o features.adds
adds-encode-text --show-tokens index.adds >a && cat features.adds | adds-encode-text --show-tokens >b &&
printf 'label0\nlabel1\nlabel2\nlabel3\nlabel4\n' | adds-encode-text --show-tokens >c && cmp a b && cmp a c
adds-encode-text --show-tokens <index.adds >d && cmp a d
adds-encode-text -m model -o l.adds index.adds && adds-encode-text --show-tokens l.adds >e && cmp a e
adds-cat --jsonl l.adds | grep -q '"parents"'
X
t 'a pipe that breaks off' 1 <<'X'
head -c 3000 features.adds | adds-encode-text --show-tokens
X
has err 'adds-encode-text: <stdin>: *ends early*'
t 'joined streams of different precision, through a pipe, are told' 0 <<'X'
mkstream --kind features --records 3 --labels 5 --precision bf16 -o bf16.adds && cat features.adds bf16.adds | adds-encode-text --show-tokens - >o
X
has err 'adds-encode-text: <stdin>: joined streams were computed in different precision: "f32" and "bf16"'
t 'a stream without a vocabulary' 1 <<'X'
mkstream --kind index --records 3 --labels 0 -o none.adds; adds-encode-text --show-tokens none.adds
X
has err 'adds-encode-text: none.adds: *no vocabulary*'
t 'a name that stands twice: both lines' 1 <<'X'
printf 'cat\ndog\n\ncat \n' >twice; adds-encode-text --show-tokens twice
X
has err "adds-encode-text: 'twice' lines 1 and 4: 'cat' stands twice*"
t 'not UTF-8' 1 <<'X'
printf 'cat\nd\351j\340 vu\n' >latin1; adds-encode-text --show-tokens latin1
X
has err "adds-encode-text: 'latin1' line 2: *UTF-8*"
t 'a prompt that is not UTF-8' 1 <<'X'
printf 'cat\td\351j\340 vu\n' >latin1; adds-encode-text --show-tokens latin1
X
has err "adds-encode-text: prompt *text is not UTF-8 at its byte 1"
t 'a tab without a label' 1 <<'X'
printf 'cat\n\ta dog\n' | adds-encode-text --show-tokens
X
has err "adds-encode-text: '<stdin>' line 2: no label before the tab"
t 'nothing' 1 <<'X'
adds-encode-text --show-tokens </dev/null
X
has err "adds-encode-text: '<stdin>' holds no label"
t 'a list that is not there' 1 <<'X'
adds-encode-text -m model not-there
X
has err "adds-encode-text: cannot open 'not-there': No such file*"
t 'two lists' 2 <<'X'
adds-encode-text -m model list.txt list.txt
X
has err "adds-encode-text: one list*"

# ---- prompts ----
t 'token ids of the default prompt' 0 <<'X'
echo traffic_light | adds-encode-text --show-tokens
X
has out '49406 589 1125 12844 3399 1395 49407'
t 'underscores kept' 0 <<'X'
echo traffic_light | adds-encode-text --show-tokens --keep-underscores
X
has out '49406 589 1125 12844 3399 318 1395 49407'
t 'prompts of a label stand for the templates, word for word' 0 <<'X'
printf 'x_y\ta_b\ta photo of a cat\n' | adds-encode-text --show-tokens --template 'no {label}'
X
has out '49406 320 318 321 49407
49406 320 1125 539 320 2368 49407'
t 'templates from options and from a file' 0 <<'X'
printf '\357\273\277a photo of a {label}\r\n\n{}\n' >templates
echo cat | adds-encode-text --template 'the {label} {label}' --template-file templates --show-tokens
X
has out '49406 518 2368 2368 49407
49406 320 1125 539 320 2368 49407
49406 2368 49407'
t 'a template without a place for the label' 2 <<'X'
adds-encode-text --template 'a photo' --show-tokens list.txt
X
has err "adds-encode-text: template 'a photo' has no {label} in it*"
t 'a file without templates' 1 <<'X'
echo >empty; adds-encode-text --template-file empty --show-tokens list.txt
X
has err "adds-encode-text: 'empty' has no template"
t 'special tokens in two spellings, or as text' 0 <<'X'
printf 'x\t<|endoftext|>\t<end_of_text>\n' >s
for kind in openai openclip plain; do adds-encode-text --specials $kind --show-tokens s | wc -w; done | tr -s ' \n' ' '
X
has out '12 11 17 '
t 'long prompts are cut, counted and named' 0 <<'X'
long=$(printf 'word %.0s' $(seq 100))
printf 'short\nlong\t%s\n' "$long" | adds-encode-text --show-tokens | tail -1 | wc -w | tr -d ' '
X
has out 77
has err "adds-encode-text: 1 of 2 prompts are longer than 77 tokens and were cut; the first is 'word word *'"

# ---- the model ----
t 'no model' 2 <<'X'
adds-encode-text list.txt
X
has err 'adds-encode-text: no model: *-m*ADDS_MODEL*'
t 'the model of the environment, and a weight file' 0 <<'X'
ADDS_MODEL=model adds-encode-text -o a.adds list.txt && cmp a.adds good.adds
adds-encode-text -m model/open_clip_model.safetensors -o b.adds list.txt && cmp b.adds good.adds
X
t 'a model that is not there' 1 <<'X'
adds-encode-text -m nowhere list.txt
X
has err "adds-encode-text: *nowhere*"
t 'folders instead of files' 1 <<'X'
adds-encode-text -m model model && exit 3; adds-encode-text -m model --template-file model list.txt && exit 3; adds-encode-text -m model --update model -o u.adds list.txt
X
has err "adds-encode-text: cannot read 'model': it is a folder: name a file in it?adds-encode-text: model: cannot read: it is a folder: name a file in it?adds-encode-text: 'model' is a folder, and a stream of labels (from adds-encode-text) is needed"
t 'a device that is not there' 1 <<'X'
adds-encode-text -m model --device cuda:77 list.txt >/dev/null
X
has err 'adds-encode-text: *'
t 'an unknown kind of specials' 2 <<'X'
adds-encode-text --specials german list.txt
X
has err "adds-encode-text: --specials: 'german' is none of openai, openclip, plain*"
t 'what no configuration says is told in one line, with how to say it' 0 <<'X'
mkmodel --shape mini --no-config bare >o && echo cat >one && adds-encode-text -m bare --activation gelu -o bare.adds one && adds-encode-text -q -m bare --activation gelu -o bare.adds one
X
has err "adds-encode-text: model 'bare': no configuration says, so it is assumed: picture tower: *--heads*--eps*; text tower: * heads of 64 channels (--text-heads); text tower: epsilon 1e-05 (--eps)"
t 'tokens of a small vocabulary' 0 <<'X'
mkdir small && gzip -dc "$top/examples/clip/bpe_simple_vocab_16e6.txt.gz" | head -1000 >small/merges.txt
mkmodel --shape mini small >/dev/null
adds-encode-text -m small --template '{}' --show-tokens list.txt
X
t 'a vocabulary of the data folder' 1 <<'X'
mkdir -p data && ADDS_DATADIR=data adds-encode-text --show-tokens list.txt
X
has err "adds-encode-text: *no vocabulary*"

# ---- SigLIP ----
mkmodel --shape siglip --naming hf --act gelu_tanh siglip >/dev/null || exit 1
printf 'A photo of 2 cats!\nT-shirt & jeans_(blue)\n' >two
t 'a SigLIP without its vocabulary' 1 <<'X'
adds-encode-text -m siglip two
X
has err "adds-encode-text: 'siglip' has no SentencePiece model: put spiece.model * or tokenizer.model *"
t 'ids of a SentencePiece model, ended and filled up' 0 <<'X'
gzip -dc "$top/tests/data/text/nfkc.model.gz" >siglip/spiece.model
adds-encode-text -m siglip --template '{}' --show-tokens two
X
has out '44 737 327 377 306 8 1 1 1 1 1 1 1 1 1 1?81 749 216 9 35 8 261 1 1 1 1 1 1 1 1 1'
t 'those of a byte-pair one, as SigLIP 2 has it' 0 <<'X'
rm siglip/spiece.model && cp "$top/tests/data/text/bytes.model" siglip/tokenizer.model
adds-encode-text -m siglip --template '{}' --show-tokens two
X
has out '901 288 778 903 744 533 275 273 908 43 1 0 0 0 0 0?907 923 332 309 907 905 948 431 900 268 908 643 917 586 941 1'
t 'where OpenCLIP says how to clean, so it is' 0 <<'X'
mkmodel --shape siglip --naming hf --no-config open >/dev/null && cp siglip/tokenizer.model open/
printf '{"model_cfg":{"vision_cfg":{},"text_cfg":{"heads":2,"no_causal_mask":true,"pool_type":"last","hf_tokenizer_name":"timm/ViT-B-16-SigLIP2",
	"tokenizer_kwargs":{"clean":"canonicalize"}}}}' >open/open_clip_config.json
adds-encode-text -m open --template '{}' --show-tokens two
X
has out '901 288 778 903 744 533 275 273 908 1 0 0 0 0 0 0?907 332 309 907 431 900 268 908 284 586 1 0 0 0 0 0'
t 'a long prompt is cut, its end stays' 0 <<'X'
printf 'x\t%s\n' "$(printf 'word %.0s' $(seq 100))" | adds-encode-text -m siglip --show-tokens | grep -c ' 1$'
X
has out 1
has err "adds-encode-text: 1 of 1 prompts are longer than 16 tokens and were cut; *"
t 'pictures and labels of a SigLIP meet, logit bias and all' 0 <<'X'
mkdir -p sig/p && cp "$top"/tests/data/picture/rgb_42?.jpg sig/p/ && cd sig && adds-encode-text -m ../siglip --template '{}' -o sig.adds ../two
adds-index --sidecars none p | adds-pyramid -m ../siglip --levels 1 --tokens cls | adds-eval -t sig.adds --zero-shot --no-metrics >scores.adds
test "$(adds-cat --jsonl scores.adds | grep -c '"record":"picture"')" -eq 2 && adds-cat --jsonl sig.adds | head -1 | grep -q '"logit_bias":-3'
X
t 'without a configuration the weights tell that it is one' 0 <<'X'
mkmodel --shape siglip --naming hf --no-config bare-siglip >o && cp siglip/tokenizer.model bare-siglip/
adds-encode-text -m siglip -o with.adds two && adds-encode-text -m bare-siglip --activation gelu_tanh -o without.adds two && cmp with.adds without.adds
X
has err "*bare-siglip': no configuration says, so it is assumed: *"
t 'labels are not copied from those of another vocabulary' 0 <<'X'
adds-encode-text -m siglip --template '{}' -o of-bytes.adds two && adds-cat --jsonl of-bytes.adds | head -1 | grep -q '"cleaning":"lower".*"vocabulary":"[0-9a-f]*"'
mkdir other && cp siglip/* other/ && rm other/tokenizer.model && gzip -dc "$top/tests/data/text/nfkc.model.gz" >other/spiece.model
adds-encode-text -m other --template '{}' --update of-bytes.adds -o updated.adds two && adds-encode-text -m other --template '{}' -o fresh.adds two && cmp updated.adds fresh.adds
X
has err "adds-encode-text: nothing is copied from 'of-bytes.adds': its options are not the same"
t 'underscores that a SigLIP does not see' 2 <<'X'
adds-encode-text -m other --keep-underscores two
X
has err "adds-encode-text: --keep-underscores has no effect with 'other', *"
t 'and that a SigLIP 2 does' 0 <<'X'
echo a_b >ab; adds-encode-text -m siglip --template '{}' --show-tokens ab >a; adds-encode-text -m siglip --template '{}' --keep-underscores --show-tokens ab >b
cmp -s a b && exit 3; exit 0
X
t 'special tokens of a SigLIP' 2 <<'X'
adds-encode-text -m siglip --specials plain two
X
has err "adds-encode-text: --specials has no effect with 'siglip': *"
t 'a vocabulary of another model, and what is none' 1 <<'X'
cp "$top/tests/data/text/suffix.model" siglip/tokenizer.model; adds-encode-text -m siglip two && exit 3
echo hello >siglip/tokenizer.model; adds-encode-text -m siglip two
X
has err "adds-encode-text: 'siglip/tokenizer.model' has 600 pieces, the model's token embedding 1000 rows*?adds-encode-text: 'siglip/tokenizer.model' byte *: this is no SentencePiece model"

# ---- the stream ----
t 'the same bytes for any number of threads' 0 <<'X'
for n in 1 2 5; do adds-encode-text -m model -j $n -o j.adds list.txt && cmp j.adds good.adds || exit 1; done
X
t 'an embedding does not depend on the company' 0 <<'X'
awk 'BEGIN { for (i = 0; i < 700; i++) printf "thing%d%s\n", i, i % 3 ? "" : " of a rather long name" }' >many
adds-encode-text -m model -o many.adds many && awk 'NR % 100 == 1' many >few && adds-encode-text -m model -o few.adds few
adds-cat --jsonl --values few.adds | grep '"record":"label"' >a; adds-cat --jsonl --values many.adds | grep '"record":"label"' | grep -xF -f a >b
cmp a b && test "$(wc -l <a)" -eq 7
X
t 'an ensemble is the mean of unit vectors, made unit' 0 <<'X'
printf 'cat\ta photo of a cat\n' | adds-encode-text -m model >p.adds
printf 'cat\tthe cat\n' | adds-encode-text -m model >q.adds
echo cat | adds-encode-text -m model --template 'a photo of a {label}' --template 'the {label}' >r.adds
for s in p q r; do adds-cat --npy $s.npy --tensor embedding $s.adds && tail -c 128 $s.npy | od -An -v -tf4 | tr -s ' ' '\n' | grep . >$s.txt; done
paste p.txt q.txt r.txt | awk '{ s += ($1 + $2) ^ 2; m[NR] = $1 + $2; r[NR] = $3; n += $3 ^ 2 }
	END { for (i = 1; i <= NR; i++) { d = m[i] / sqrt(s) - r[i]; if (d < -2e-7 || d > 2e-7) exit 1 } if (NR != 32 || n < .999999 || n > 1.000001) exit 1 }'
X

# ---- earlier streams ----
t 'labels of an earlier stream are copied, also in place' 0 <<'X'
(cat list.txt; echo walrus) >more && adds-encode-text -m model -o more.adds more
adds-encode-text -v -m model --update good.adds -o updated.adds more 2>log && cmp updated.adds more.adds && grep -q '4 labels copied, 1 to encode' log
cp good.adds place.adds && adds-encode-text -m model --update place.adds -o place.adds more && cmp place.adds more.adds
adds-encode-text -v -m model --update more.adds -o back.adds list.txt 2>log && cmp back.adds good.adds && grep -q ' 0 to encode' log
X
t 'other prompts are encoded anew' 0 <<'X'
adds-encode-text -m model --template '{}' -o plain.adds list.txt
adds-encode-text -v -m model --template '{}' --update good.adds -o u.adds list.txt 2>log && cmp u.adds plain.adds && grep -q '1 label copied, 3 to encode' log
X
t 'nothing is copied from another model or other options' 0 <<'X'
mkmodel --shape mini --act quick_gelu other >/dev/null && adds-encode-text -m other -o other.adds list.txt
adds-encode-text -m model --update other.adds -o u.adds list.txt && cmp u.adds good.adds
adds-encode-text -m model --specials plain --update good.adds -o u.adds list.txt
X
has err "adds-encode-text: nothing is copied from 'other.adds': its model is not the same
adds-encode-text: nothing is copied from 'good.adds': its options are not the same"
t 'an earlier stream that is not there, or is none' 1 <<'X'
adds-encode-text -m model --update features.adds -o u.adds list.txt
X
has err 'adds-encode-text: features.adds: *'
t 'a broken earlier stream' 1 <<'X'
head -c 700 good.adds >cut.adds; adds-encode-text -m model --update cut.adds -o u.adds list.txt
X
has err 'adds-encode-text: cut.adds: *'
t 'what does not go together' 2 <<'X'
adds-encode-text --show-tokens -o x list.txt
X
has err 'adds-encode-text: --show-tokens *'
done_
