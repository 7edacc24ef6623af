# bits.t - one digest for any number of threads, any batch and any chunk of the pipe: scores and checkpoints
. ./cli/lib.sh
# large enough for products and sums to be shared out among threads
mkstream --kind labels --labels 160 --width 128 -o l.adds || exit 1
mkstream --kind features --records 32 --labels 160 --width 128 --tokens 16 --ragged 1 -o f.adds || exit 1
mkdir c
for method in decoder both; do
	adds-train -qq --method $method --epochs 1 --val-split 0 -t l.adds -o run f.adds || exit 1
	mv run/final.safetensors c/$method.st && rm -r run
done

cat >evaluate <<'X'
score() {
	adds-eval -q -t l.adds --no-metrics "$@" 2>/dev/null | sha256sum
}
for threads in 1 2 3 8; do for batch in 1 7 32; do
	score "$@" -j $threads --batch $batch f.adds
done; done
for size in 1 4096 1048576; do
	dd if=f.adds bs=$size 2>/dev/null | score "$@" -
done
X
# every file of weights that a run leaves
cat >train <<'X'
learn() {
	rm -rf run
	adds-train -qq --epochs 1 -t l.adds -o run "$@" 2>/dev/null && cat run/final.safetensors run/last.safetensors | sha256sum
}
method=$1
for threads in 1 2 3 8; do
	learn --method $method -j $threads f.adds
done
for size in 1 4096 1048576; do
	dd if=f.adds bs=$size 2>/dev/null | learn --method $method -
done
X
for isa in DEFAULT AVX2; do
	ONEDNN_MAX_CPU_ISA=$isa export ONEDNN_MAX_CPU_ISA
	for how in --zero-shot '-c c/decoder.st' '-c c/both.st'; do
		t "scores of $how, oneDNN's instructions $isa: one digest" 0 <<X
sh evaluate $how >digests; wc -l <digests; sort -u digests | wc -l
X
		has out '15
1'
	done
	for method in decoder both; do
		t "checkpoints of $method, oneDNN's instructions $isa: one digest" 0 <<X
sh train $method >digests; wc -l <digests; sort -u digests | wc -l
X
		has out '7
1'
	done
done
done_
