# opt.t - options: repeated, joined, abbreviated, after operands
. ./cli/lib.sh
mkdir p && touch p/a.jpg
t 'letters in a cluster, a value behind the last' 0 <<'X'
adds-index -qvo out p 2>log && test -s out
X
t 'a value joined to its letter' 0 <<'X'
adds-index -oout2 -j2 p && cmp out out2
X
t 'a value behind =' 0 <<'X'
adds-index --output=out3 --seed=0 p && cmp out out3
X
t 'the last of repeated options counts' 0 <<'X'
adds-index -o nothing -o out4 --level 3 --level 1 p && cmp out out4 && test ! -e nothing
X
t 'options behind operands' 0 <<'X'
adds-index p -o out5 && cmp out out5
X
t 'behind -- all are operands' 1 <<'X'
adds-index -- -o out6
X
has err "adds-index: cannot open '-o': *"
t 'an abbreviation that is clear' 0 <<'X'
adds-index --outp out7 p && cmp out out7
X
t 'an abbreviation that is not' 2 <<'X'
adds-index --s 1 p
X
has err "adds-index: option '--s' is short for several: write it out*"
t 'an unknown option with a value' 2 <<'X'
adds-index --nothing=1 p
X
has err "adds-index: unknown option '--nothing=1'*"
t 'a letter without its value at the end of a cluster' 2 <<'X'
adds-index -qo
X
has err "adds-index: option '-o' needs a value*"
t 'a word that is none of the choices' 2 <<'X'
adds-index --on-unknown maybe p
X
has err "adds-index: --on-unknown: 'maybe' is none of stop, skip, add*"
t 'a number out of its range' 2 <<'X'
adds-index --level 20 p
X
has err "adds-index: --level: '20' is not within 1 and 19*"
# a number is the whole of its value: what stands behind it, or around it, is wrong usage and not passed over
while read -r line; do
	t "no number: $line" 2 <<X
$line >o
X
	has err 'adds-*: --*: *'
	lacks err '*cannot open*'
done <<'X'
adds-eval --top 2.5 s
adds-eval --top 3x s
adds-eval --top ' 3' s
adds-eval --top 0x3 s
adds-eval --top 3, s
adds-eval --at .5x s
adds-eval --at ' .5' s
adds-eval --at 0x1p-1 s
adds-eval --at nan s
adds-eval --min-positives 1.5 s
adds-threshold --top 2.5 s
adds-threshold --min-positives 2. s
adds-threshold --threshold .5x s
adds-index --split train=0x1p-1,val=.5 --take val p
adds-index --split train=.5x,val=.5 --take val p
adds-index '--split=train= .5,val=.5' --take val p
adds-index --shard 1.5/2 p
adds-index --shard 1/2x p
adds-index --seed 1.5 p
adds-pyramid --levels 2.5 -m m s
adds-pyramid --eps 1e-5x -m m s
adds-pyramid --cache c --cache-size 16GB -m m s
adds-pyramid --cache c --cache-size ' 16G' -m m s
adds-pyramid --cache c --cache-size 0x10 -m m s
adds-pyramid --cache c --cache-size 1.5 -m m s
adds-pyramid --device cuda:1x -m m s
adds-encode-text --text-heads 8.5 -m m l
adds-train --warmup 3.5 -t l s
adds-train --epochs 1e2 -t l s
adds-train --lr 1e-4x -t l s
adds-cat --head 2.5 s
adds-cat --rows 1:2:3:4 s
adds-cat --rows 1:99999999999999999999 s
adds-cat --rows 1:2:0 s
adds-cat --import labels --npy n --labels l --targets y --positive 1x s
adds-cat --import features --npy n --paths p --labels l --targets y --positive ' 1' --model-name m
adds-cat --import features --npy n --paths p --labels l --targets y --positive 0x1 --model-name m
adds-cat --import features --npy n --paths p --labels l --targets y --negative nan --model-name m
adds-cat --import features --npy n --paths p --labels l --targets y --negative 0, --model-name m
adds-cat --import features --npy n --paths p --labels l --targets y --negative ,0 --model-name m
X
t 'numbers as people write them' 0 <<'X'
adds-index --split train=.5,val=5e-1 --take val -o a p && adds-index --split train=+0.5,val=0.5 --take val -o b p && adds-index --seed +7 -o c p
X
t 'control characters in names do not reach the terminal' 1 <<'X'
adds-index "$(printf 'a\033[31mb')"
X
has err "adds-index: cannot open 'a??31mb': *"
t '-qq leaves nothing but the status' 1 <<'X'
adds-index -qq nowhere
X
t 'help names the choices and fits the terminal without tabs' 0 <<'X'
adds-index --help
X
has out '*stop, skip, add*'
lacks out '*	*'
done_
