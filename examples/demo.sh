#!/bin/sh
# demo.sh - the whole pipeline on the embedded model and pictures: what CLIP
# alone finds, what training adds, and the tags that come of it. `make demo`
# runs it; BUILD is the folder of the built programs.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
: "${BUILD:=$here/../build/release}"
PATH=$BUILD:$PATH
ADDS_MODEL=$here/mini_clip
export PATH ADDS_MODEL
LC_ALL=C.UTF-8
export LC_ALL
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
shapes=$here/shapes

now() { date +%s%N; }
# step 'what is done' command…: runs it, says how long it took
step() {
	what=$1
	shift
	begin=$(now)
	"$@"
	spent=$(awk "BEGIN { printf \"%.1f\", ($(now) - $begin) / 1e9 }")
	printf '  %-62s %6s s\n' "$what" "$spent"
}
# encode PART LEVELS FILE: pictures to tokens
encode() {
	adds-index --tags "$shapes/organized_Tags.json" "$shapes/$1" | adds-pyramid --levels "$2" --pool 2 --fit pad -o "$3"
}
labels() {
	adds-encode-text -m "$ADDS_MODEL" --template '{label}' --template 'a {label}' --template 'a photo of a {label}' \
		--template 'a photo of {label}' --template 'this photo contains {label}' \
		--template 'this photo contains a {label}' -o labels.adds "$shapes/organized_Tags.json"
}
# learn RUN option…: a run on all training pictures
learn() {
	run=$1
	shift
	adds-train -q -t labels.adds --val-split 0 -o "$run" "$@" train.adds
}
# row 'name' seconds option…: scores the validation pictures, prints a line of the table
row() {
	name=$1 seconds=$2 input=$3
	shift 3
	adds-eval -q -t labels.adds --unseen "$shapes/unseen.txt" --json metrics.json -o scores.adds "$@" "$input" >/dev/null
	# shellcheck disable=SC2046
	set -- $(grep -o '"mAP":[0-9.e-]*' metrics.json | cut -d: -f2)
	printf '  %-46s %9.3f %9.3f %9.3f %8s\n' "$name" "$1" "$2" "$3" "$seconds"
}

cat <<'X'
480 pictures of small coloured shapes, 156 labels ("star", "red star", ...). 320 pictures
are for training; 24 of the labels stand on none of them. The model is a small CLIP of
our own that knows nothing but such shapes.

X
step 'label names to embeddings (adds-encode-text)' labels
step '160 validation pictures, one level: 1 tile each (adds-pyramid)' encode val 1 val-1.adds
step '160 validation pictures, three levels: 21 tiles each' encode val 3 val.adds
step '320 training pictures, three levels' encode train 3 train.adds
step 'ridge, closed form (adds-train --method ridge)' learn ridge --method ridge
ridge_seconds=$spent
step 'DM-decoder, 1 layer' learn one --method decoder --layers 1
one_seconds=$spent
step 'DM-decoder, 2 layers' learn two --method decoder --layers 2
two_seconds=$spent

cat <<'X'

mAP on the validation pictures: 1 would be every picture with a label ranked above every
picture without it. "Unseen" labels were never trained.

                                                  all      seen    unseen   learnt
  method                                          156       132        24   in, s
X
row 'CLIP alone, one level (small objects are lost)' - val-1.adds --zero-shot
row 'CLIP alone, three levels' - val.adds --zero-shot
row 'DM-decoder, 1 layer' "$one_seconds" val.adds -c one/final.safetensors
row 'DM-decoder, 2 layers' "$two_seconds" val.adds -c two/final.safetensors
row 'ridge' "$ridge_seconds" val.adds -c ridge/best.safetensors

# thresholds from two thirds of the validation pictures, tags for five of the others
adds-cat --rows 0:107 -o fit.adds scores.adds
adds-cat --rows 107:160:11 -o show.adds scores.adds
adds-threshold -o thresholds.json fit.adds
cat <<'X'

Tags of five pictures that neither training nor the thresholds have seen (coloured shapes
only; what is really there stands behind the bar):

X
adds-threshold --apply thresholds.json --format tsv show.adds >tags.tsv
cut -f1 tags.tsv | uniq | while read -r picture; do
	tags=$(awk -F '\t' -v p="$picture" '$1 == p && $2 ~ / / { t = t (t == "" ? "" : ", ") $2 } END { print t }' tags.tsv)
	truth=$(tr ',' '\n' <"${picture%.*}.json" | grep -o '[a-z][a-z]* [a-z][a-z]*"' | tr -d '"' | sort | awk '{ t = t (t == "" ? "" : ", ") $0 } END { print t }')
	printf '  %s: %s\n            | %s\n' "$(basename "$picture")" "$tags" "$truth"
done
cat <<'X'

The same on your own pictures, with published CLIP weights: see README.md.
X
