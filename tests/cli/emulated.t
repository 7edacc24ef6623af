# emulated.t - pictures, training and scores by CUDA's kernels, which run on the processor (tests/emulated): what the
# processor gives, within the tolerances written here
. ./cli/lib.sh
unset ADDS_MODEL
gpu=$BUILD/emulated
[ -x "$gpu/adds-train" ] || {
	skip "CUDA's kernels on the processor: needs a C++ compiler and an x86-64 processor"
	done_
	exit 0
}
model=$top/examples/mini_clip
export gpu model
case $BUILD in
*san-*)
	skip "programs with CUDA's kernels on the processor: too slow with sanitizers, under which the suite of the kernels runs"
	done_
	exit 0
	;;
esac
mkdir few
for i in 0001 0003 0005; do
	cp "$top"/examples/shapes/train/$i.* few/
done
adds-index few >index.adds || exit 1
# near.sh A B TOLERANCE: numbers of two .npy files of f32
cat >near.sh <<'X'
for f in "$1" "$2"; do od -An -v -tf4 -w4 -j128 "$f" >"$f.txt"; done
paste "$1.txt" "$2.txt" | awk -v tol="$3" '{ d = $1 - $2; if (d < 0) d = -d; if (d > most) most = d; n++ }
	END { print n, "numbers, largest difference", most; exit !(n > 100 && most <= tol) }'
X
# logs.sh A B TOLERANCE: losses and lengths of gradients of two runs, relative
cat >logs.sh <<'X'
for f in "$1" "$2"; do sed -n 's/.*"gradient_norm":\([^,}]*\).*"loss":\([^,}]*\).*/\1 \2/p' "$f/log.jsonl" >"$f.txt"; done
paste "$1.txt" "$2.txt" | awk -v tol="$3" 'function far(a, b) { return a - b > tol * b || b - a > tol * b }
	{ bad += far($1, $3) + far($2, $4); n++ } END { exit !(n > 3 && !bad) }'
X

# error seen: 2e-7 in f32, 4e-3 in bf16; tokens have length 1
for o in 'f32 2e-6' 'bf16 2e-2'; do
	set -- $o
	t "tokens, $1, within $2: several batches, a graph, one batch that is not full" 0 <<X
"$gpu/adds-pyramid" --device cuda --precision $1 -q -m "$model" --levels 2 --batch 2 --dtype f32 -o c.adds index.adds &&
	adds-pyramid --device cpu --precision f32 -q -m "$model" --levels 2 --dtype f32 -o h.adds index.adds &&
	adds-cat --npy c.npy c.adds && adds-cat --npy h.npy h.adds && sh near.sh c.npy h.npy $2
X
done
t 'streams that run ahead, and in any order: the same bytes' 0 <<'X'
"$gpu/adds-pyramid" --device cuda -q -m "$model" --levels 2 --batch 2 -o late.adds index.adds
for order in ahead 3; do
	EMULATED_ORDER=$order "$gpu/adds-pyramid" --device cuda -q -m "$model" --levels 2 --batch 2 -o $order.adds index.adds && cmp late.adds $order.adds || exit 1
done
X
t 'too little memory: fewer tiles at once, which it says, and the same bytes' 0 <<'X'
EMULATED_MEMORY=76000000 "$gpu/adds-pyramid" --device cuda -v -m "$model" --levels 2 --batch 64 -o few.adds index.adds && cmp late.adds few.adds
X
has err '*no memory for * tiles at once: *'

mkstream --kind labels --labels 12 --width 16 -o tl.adds
mkstream --kind features --records 60 --labels 12 --width 16 --tokens 4 --ragged 1 -o t.adds
mkstream --kind features --records 30 --labels 12 --width 16 --tokens 3 --prefix v --seed 2 -o v.adds
train='-q --method decoder --epochs 2 --batch 16 --threads 1 -t tl.adds --val v.adds --replace'
export train
# error seen: 1e-7; with bf16 products 2e-3
for o in '--label-budget 6 --dropout 0.1' '--layers 1 --heads 2 --no-prior --init random'; do
	t "training $o in f32, losses and gradients within 1e-5" 0 <<X
"$gpu/adds-train" --device cuda --precision f32 $train $o -o runc t.adds && adds-train --device cpu --precision f32 $train $o -o runh t.adds &&
	sh logs.sh runc runh 1e-5
X
	has err '*'
done
t 'training in bf16, within 2e-2' 0 <<'X'
"$gpu/adds-train" --device cuda --precision bf16 $train --label-budget 6 --dropout 0.1 -o runb t.adds &&
	adds-train --device cpu --precision f32 $train --label-budget 6 --dropout 0.1 -o runh t.adds && sh logs.sh runb runh 2e-2
X
has err '*'
t 'scores within 1e-4' 0 <<'X'
"$gpu/adds-eval" --device cuda -q -t tl.adds -c runh/best.safetensors -o sc.adds v.adds && adds-eval --device cpu -q -t tl.adds -c runh/best.safetensors -o sh.adds v.adds &&
	adds-cat --npy sc.npy sc.adds && adds-cat --npy sh.npy sh.adds && sh near.sh sc.npy sh.npy 1e-4
X
has err '*'
done_
