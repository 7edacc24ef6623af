# kills.t - programs that are killed before their first call that writes, their second, …, or in the middle of a write: the next
# plain run ends with the bytes of an undisturbed one, and no file of the user is lost or half written (tests/faults/each)
. ./cli/lib.sh
. "$top/tests/cli/each.sh"
case $BUILD in
*san-*)
	skip 'programs that are killed: a sanitizer says nothing then'
	done_
	exit
	;;
esac

before index <<'X'
mkdir pictures && cp "$top"/examples/shapes/train/000[0-2].* pictures && echo old >o.adds
X
f 'kill torn' '' 'adds-index -j1 -o o.adds pictures'

before pyramid <<'X'
mkdir pictures && cp "$top"/examples/shapes/train/000[0-2].* pictures && touch -d 2020-01-01 pictures/* && adds-index -o i.adds pictures && echo old >p.adds
X
p='adds-pyramid -j1 --levels 1 -m "$model" -o p.adds'
export p
f 'kill torn' '' "$p i.adds"
f 'kill torn' 'EVERY=2 EXEMPT=cache' "$p --cache cache i.adds"
t 'pictures that were done are not encoded again: killed before the output is put into place' 0 <<'X'
cd pyramid && rm -rf w && cp -rp start w && cd w || exit
FAULT_LOG=log PATH=$BUILD/faults:$PATH sh -c "$p --cache cache i.adds" && n=$(sed -n 's,^\([0-9]*\) rename .*/p.adds$,\1,p' log) && rm -r cache p.adds || exit
FAULT_KIND=kill FAULT_AT=$n PATH=$BUILD/faults:$PATH sh -c "$p --cache cache i.adds" 2>/dev/null
test $? -eq 137 && sh -c "$p -v --cache cache i.adds"
X
has err '*: 0 pictures opened, tokens of 3 found in the cache*'

before threshold <<'X'
mkstream --kind scores --records 20 --labels 6 -o s.adds && echo old >th.json && echo old >t.tsv
X
f 'kill torn' '' 'adds-threshold -j1 -o th.json s.adds'
f 'kill torn' '' 'adds-threshold --top 2 --format tsv -o t.tsv s.adds'
before tags <<'X'
mkstream --kind scores --records 4 --labels 3 -o s.adds && echo mine >00001.jpg.txt && printf 'a, b' >00002.jpg.txt
X
for how in --append --overwrite; do
	tag="adds-threshold --top 2 $how --ledger ledger --format txt s.adds"
	f 'kill torn' 'EXEMPT=ledger' "$tag"
	f 'kill torn' 'EXEMPT=ledger BACK=1' "$tag" 'test ! -e ledger || adds-threshold --undo ledger'
done
f 'kill torn' 'EXEMPT=ledger BACK=1' "$tag" "$tag && adds-threshold --undo ledger"
before undo <<'X'
cp -r ../../tags/want/* .
X
f 'kill torn' '' 'adds-threshold --undo ledger'

before cat <<'X'
mkstream --kind features --records 30 --labels 6 --tokens 3 -o f.adds && for i in o.npy p y.npy l; do echo old >$i; done
X
f 'kill torn' 'EVERY=3' 'adds-cat --npy o.npy --paths p --targets y.npy --labels l f.adds'

before train <<'X'
mkstream --kind labels --labels 12 --width 16 -o l.adds && mkstream --kind features --records 40 --labels 12 --width 16 --tokens 3 -o f.adds &&
mkstream --kind features --records 310 --labels 12 --width 16 --tokens 1 -o many.adds
X
# the starts of a run that goes on are counted in its state
run="EXEMPT='events*|state*|run.old'"
train='adds-train -q -j1 -o run -t l.adds'
resume='adds-train -q -j1 --resume -o run 2>/dev/null ||'
f 'kill torn' "EVERY=6 $run" "$train --epochs 2 f.adds" "$resume $train --epochs 2 f.adds"
f 'kill torn' "EVERY=5 $run" "$train --method ridge <f.adds" "$resume $train --method ridge <f.adds"
f 'kill torn' "EVERY=60 $run" "$train --epochs 1 --val-split 0 many.adds" "$resume $train --epochs 1 --val-split 0 many.adds"
t 'a training that is killed again and again, at ever later calls' 0 <<'X'
cd train && rm -rf w && cp -rp start w && cd w && adds-train -q -j1 --epochs 4 -t l.adds -o whole f.adds || exit
FAULT_KIND=kill FAULT_AT=60 PATH=$BUILD/faults:$PATH sh -c 'adds-train -q -j1 --epochs 4 -t l.adds -o run f.adds' 2>/dev/null
for n in 3 10 17 24 31 38 45 52 59 66 73; do
	FAULT_KIND=kill FAULT_AT=$n PATH=$BUILD/faults:$PATH sh -c 'adds-train -q -j1 --resume -o run' 2>/dev/null
	test $? -eq 137 || break
done
echo $n; adds-train -q --resume -o run && diff -r -x 'events*' -x 'state*' whole run
X
before replace <<'X'
cp ../../train/start/* . && adds-train -q -j1 --method ridge --seed 2 -t l.adds -o run f.adds
X
replace="$train --replace --method ridge f.adds"
f kill "FROM=68 $run" "$replace" "adds-train -q -j1 --resume --replace -o run 2>/dev/null || $replace"
done_
