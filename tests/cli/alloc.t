# alloc.t - memory that cannot be had: status 1, a sentence, and no half-written file
. ./cli/lib.sh
case $BUILD in
*san-*)
	skip 'allocations that fail: a sanitizer brings an allocator of its own'
	done_
	exit
	;;
esac
model=$top/examples/mini_clip export model
mkstream --kind scores --records 20 --labels 6 -o scores.adds && mkstream --kind scores --records 3 --labels 2 -o few.adds && mkstream --kind labels --labels 6 -o labels.adds &&
	mkstream --kind features --records 30 --labels 6 --tokens 3 --errors 2 -o features.adds && printf 'cat\ndog\ta dog\n' >words || exit 1
mkdir pictures && cp "$top"/examples/shapes/train/000[0-2].* pictures && adds-index -o index.adds pictures || exit 1
mkmodel --shape siglip --naming hf --act gelu_tanh siglip >/dev/null && cp "$top/tests/data/text/bytes.model" siglip/tokenizer.model || exit 1
mkdir tags && (cd tags && mkstream --kind scores --records 4 --labels 6 -o scores.adds) || exit 1
head -c 900 features.adds >cut.adds
adds-train -qq -j1 --epochs 1 -t labels.adds -o run features.adds || exit 1
PATH=$BUILD/alloc:$PATH
GOMP_SPINCOUNT=100 export PATH GOMP_SPINCOUNT

# each program with every one of its first 200 allocations failing, and some of the later ones
while read -r output command; do
	t "$command" 0 <<X
ALLOC_OUTPUT=$output; [ "\$ALLOC_OUTPUT" = - ] && unset ALLOC_OUTPUT || export ALLOC_OUTPUT
$command
X
	has out '* tried, 0 wrong'
done <<'X'
o1 adds-index -j1 -o o1 pictures
o2 adds-encode-text -j1 -m "$model" -o o2 words
o16 adds-encode-text -j1 -m siglip -o o16 words
o3 adds-pyramid -j1 -m "$model" --levels 1 -o o3 index.adds
o4 adds-eval -j1 -t labels.adds --zero-shot -o o4 features.adds
metrics adds-eval -j1 --json metrics --per-label p scores.adds
plot adds-eval -j1 --plot plot few.adds
beside adds-eval -j1 -t labels.adds -c run/best.safetensors --plot beside -o o15 features.adds
o5 adds-threshold -j1 -o o5 scores.adds
o6 adds-threshold --top 2 --mcut --format tsv -o o6 scores.adds
- adds-threshold --top 2 --format txt --overwrite tags/scores.adds
o7 adds-cat -o o7 features.adds
o8 adds-cat --head 3 -o o8 features.adds features.adds
o9 adds-cat --npy o9 --paths p --targets y.npy --labels l features.adds
o10 adds-cat --relabel index.adds -o o10 features.adds
o11 adds-cat --salvage -o o11 cut.adds
- adds-cat --jsonl --values features.adds
- adds-cat --verify features.adds
X
t 'adds-train: the run that was there stays until the new one is whole' 0 <<'X'
ALLOC_KEEP=1 ALLOC_OUTPUT=run/final.safetensors adds-train -j1 --epochs 1 --replace -t labels.adds -o run features.adds
X
has out '*0 wrong'
done_
