# effect.t - an option without effect is wrong usage, and one sentence says why
. ./cli/lib.sh
unset ADDS_MODEL

# none of the files is there: options are looked at before any file
while read -r program option words; do
	t "$program: $option $words" 2 <<X
$program $option $words >o
X
	has err "$program: $option *$program: '$program --help' lists the options"
done <<'X'
adds-cat --positive 2 f
adds-cat --negative 2 f
adds-cat --unknown 2 f
adds-cat --score logit f
adds-cat --calibrated f
adds-cat --model-name M f
adds-cat --logit-scale 3 f
adds-cat --tensor tokens f
adds-cat --tensor tokens -o out f
adds-cat --paths p f
adds-cat --targets p --safetensors out f
adds-cat --score logit --import features --npy x --paths p --model-name M
adds-cat --calibrated --import labels --npy x --labels p --model-name M
adds-cat --calibrated --score similarity --import scores --npy x --paths p --labels l --model-name M
adds-cat --positive 2 --import features --npy x --paths p --model-name M
adds-cat --paths p --import labels --npy x --labels l --model-name M
adds-cat --targets p --import labels --npy x --labels l --model-name M
adds-cat --lengths p --import labels --npy x --labels l --model-name M
adds-index --by content .
adds-index --supercategories .
adds-pyramid --cache-size 1G -m m f
adds-pyramid --pool 2 --tokens cls -m m f
adds-eval --no-visual-update --zero-shot -t l f
adds-eval --context c --zero-shot -t l f
adds-eval --unseen u --no-metrics -t l --zero-shot f
adds-eval --plot p --no-metrics -t l --zero-shot f
adds-eval --top 2 --no-metrics -t l --zero-shot f
adds-eval --min-positives 2 --no-metrics -t l -c c f
adds-eval --at .5 -t l -c c f
adds-eval --ap voc -t l -c c f
adds-threshold --separator . f
adds-threshold --ledger l f
adds-threshold --append f
adds-threshold --no-parents f
adds-threshold --ledger l --top 2 f
adds-threshold --separator . --top 2 --format tsv f
adds-threshold --uncalibrated --top 2 f
adds-threshold --min-positives 3 --top 2 f
adds-threshold --fit f1 --top 2 f
adds-threshold --ledger m --undo l
adds-threshold --strict --undo l
adds-train --model m -t l f
adds-train --layers 2 --method ridge -t l f
adds-train --epochs 2 --method ridge -t l f
adds-train --lr .1 --method ridge -t l f
adds-train --strict-zero-shot --method decoder -t l f
adds-train --prior-scale 2 --no-prior -t l f
adds-train --prior-bias 2 --recipe seed -t l f
adds-train --gamma-neg 2 --loss bce -t l f
adds-train --full-gradient --loss bce -t l f
adds-train --asl-clip .1 --loss focal -t l f
X
for program in adds-encode-text adds-pyramid adds-train adds-eval; do
	for device in foo cuda: cuda:x cuda:1x CPU; do
		case $program in adds-encode-text | adds-pyramid) model='-m m' ;; *) model='-t l' ;; esac
		[ $program = adds-eval ] && model='-t l --zero-shot'
		t "$program: --device $device" 2 <<X
$program $model --device $device f >o
X
		has err "$program: --device: '$device' is none of auto, cpu, cuda and cuda:N*"
	done
done
for program in adds-index adds-encode-text adds-pyramid adds-train adds-eval adds-threshold adds-cat; do
	t "$program: an output without a name" 2 <<X
$program -o '' x
X
	has err "$program: --output: the value is empty*"
done

# what a makefile may pass always
mkdir p && touch p/a.jpg
t 'a seed, a level and threads hurt nobody' 0 <<'X'
adds-index --seed 3 --level 3 -j 2 -o a p && adds-index -o b --level 3 p && cmp a b && adds-cat --level 3 -j 1 a
X
t 'nor do they where scores are only measured' 0 <<'X'
mkstream --kind scores --records 9 -o s && adds-eval --device cpu --precision f32 -j 1 --batch 3 --level 3 s >o && adds-threshold -j 1 --top 1 s
X
done_
