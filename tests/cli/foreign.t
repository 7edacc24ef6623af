# foreign.t - the programs that compute, on a device whose memory the host cannot touch: the same bytes as on the processor,
# and what happens when it runs out
. ./cli/lib.sh
unset ADDS_MODEL
model=$top/examples/mini_clip
export model top
mkdir few
for i in 0001 0003 0005 0008 0014 0016 0019 0023 0027 0040 0041 0047 0054 0062 0063 0071; do
	cp "$top"/examples/shapes/train/$i.* few/
done
adds-index few >index.adds || exit 1
printf 'red\ngreen\ncircle\nsquare\n' >words
foreign=$BUILD/foreign
export foreign

t 'labels' 0 <<'X'
adds-encode-text -m "$model" -o l.adds words && "$foreign/adds-encode-text" -m "$model" -o lf.adds words && cmp l.adds lf.adds
X
for o in '' '--levels 2 --batch 3' '--levels 2 --pool 2 --dtype f32 --batch 7' '--tokens cls --dtype bf16 --batch 5'; do
	t "pictures $o" 0 <<X
adds-pyramid -q -m "$model" $o -o p.adds index.adds && "$foreign/adds-pyramid" -q -m "$model" $o -o pf.adds index.adds && cmp p.adds pf.adds
X
done
t 'a device with little memory: half as many tiles at once, which it says, and the same bytes' 0 <<'X'
adds-pyramid -q -m "$model" --levels 2 -o a.adds index.adds
FOREIGN_MEMORY=10000000 "$foreign/adds-pyramid" -v -m "$model" --levels 2 --batch 64 -o b.adds index.adds && cmp a.adds b.adds
X
has err '*no memory for * tiles at once: *tiles at once, in *MB of the device*'
t 'scores on a device with little memory: halves, and the same bytes' 0 <<'X'
mkstream --kind labels --labels 12 --width 16 -o el.adds
mkstream --kind features --records 64 --labels 12 --width 16 --tokens 4 --seed 3 -o e.adds
adds-eval -q -t el.adds --zero-shot -o z.adds e.adds
FOREIGN_MEMORY=12000 "$foreign/adds-eval" -t el.adds --zero-shot -o zf.adds e.adds >table && cmp z.adds zf.adds
X
has err '*memory for no more than * pictures at once*'
t 'a device with none' 1 <<'X'
FOREIGN_MEMORY=100000 "$foreign/adds-pyramid" -q -m "$model" -o c.adds index.adds
X
has err '*out of foreign memory*'

# ---- training and scores ----
mkstream --kind labels --labels 12 --width 16 -o tl.adds
mkstream --kind features --records 60 --labels 12 --width 16 --tokens 4 --ragged 1 -o t.adds
mkstream --kind features --records 30 --labels 12 --width 16 --tokens 3 --prefix v --seed 2 -o v.adds
cat >alike.sh <<'X'
for f in "$1"/*.safetensors; do
	cmp "$f" "$2/$(basename "$f")" || exit 1
done
test -f "$1/final.safetensors"
X
for o in '--method decoder --epochs 3 --label-budget 6 --dropout 0.1' '--method decoder --layers 1 --heads 2 --no-prior --init random --epochs 1' '--method ridge'; do
	t "training $o" 0 <<X
adds-train -q $o --batch 16 --threads 1 -t tl.adds --val v.adds --replace -o run t.adds &&
	"$foreign/adds-train" -q $o --batch 16 --threads 1 -t tl.adds --val v.adds --replace -o runf t.adds && sh alike.sh run runf
X
	has err '*'
	t "scores $o" 0 <<X
adds-eval -q -t tl.adds -c run/best.safetensors -o s.adds v.adds && "$foreign/adds-eval" -q -t tl.adds -c run/best.safetensors -o sf.adds v.adds &&
	cmp s.adds sf.adds
X
	has err '*'
done
done_
