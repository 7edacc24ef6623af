# faults.t - calls of the system that fail, one after the other, for each file that a program writes: status 1 and one sentence,
# what was there stays, nothing is left beside it, and the next run ends with the bytes of an undisturbed one (tests/faults/each)
. ./cli/lib.sh
. "$top/tests/cli/each.sh"

before index <<'X'
mkdir pictures && cp "$top"/examples/shapes/train/000[0-2].* pictures && printf 'pictures/0000.jpg\npictures/0001.jpg\n' >list &&
printf 'file_name,labels\npictures/0001.jpg,red\n' >t.csv && echo old >o.adds
X
f 'EIO full short EINTR READ-EIO READ-short READ-EINTR' "NAME='*o.adds*'" 'adds-index -j1 -o o.adds pictures'
f READ-EIO '' 'adds-index -q -j1 --labels t.csv -o o.adds --files-from list'
f READ-EIO '' 'adds-index -q -j1 --by content --on-error stop --split train=.5,val=.5 --take train -o o.adds pictures'

before encode <<'X'
printf 'cat\ndog\ta dog\n' >words && echo old >o.adds
X
f 'EIO full READ-EIO' "NAME='*o.adds*'" 'adds-encode-text -j1 -m "$model" -o o.adds words'

before pyramid <<'X'
mkdir pictures && cp "$top"/examples/shapes/train/000[0-2].* pictures && touch -d 2020-01-01 pictures/* && adds-index -o i.adds pictures && echo old >p.adds
X
p='adds-pyramid -j1 --levels 1 -m "$model" -o p.adds'
f 'EIO full short EINTR' "NAME='*p.adds*'" "$p i.adds"
f READ-EIO '' "$p --on-error stop i.adds"
# the cache's folder must be there, or can be made; entries that cannot be written are told, and the output is written
cache="NAME='*p.adds*|*cache*' MAY='*?cache/*' EXEMPT=cache"
f EIO "$cache" "$p --cache cache i.adds"
f 'full short EINTR' "EVERY=4 $cache" "$p --cache cache i.adds"
f READ-EIO "EVERY=3 $cache" "$p --cache cache --on-error stop i.adds"
before warm <<'X'
cp -r ../../pyramid/start/* . && adds-pyramid -m "$model" --levels 1 --cache cache -o p.adds i.adds
X
f 'EIO READ-EIO READ-short' "EVERY=3 $cache" "$p --cache cache --on-error stop i.adds"
f 'EIO READ-EIO' "EVERY=2 NAME='*p.adds*'" "$p --on-error stop --cache p.adds i.adds"

before eval <<'X'
mkstream --kind labels --labels 6 -o l.adds && mkstream --kind features --records 30 --labels 6 --tokens 3 -o f.adds && for i in o.adds m.json p.tsv; do echo old >$i; done
X
f 'EIO full READ-EIO' "MANY=1 NAME='*o.adds*|*m.json*|*p.tsv*'" 'adds-eval -q -j1 -t l.adds --zero-shot --json m.json --per-label p.tsv -o o.adds f.adds'

before threshold <<'X'
mkstream --kind scores --records 20 --labels 6 -o s.adds && echo old >th.json && echo old >t.tsv
X
f 'EIO full READ-EIO' "NAME='*th.json*'" 'adds-threshold -j1 -o th.json s.adds'
f 'EIO full short' "NAME='*t.tsv*'" 'adds-threshold --top 2 --format tsv -o t.tsv s.adds'
before tags <<'X'
mkstream --kind scores --records 4 --labels 3 -o s.adds && echo mine >00001.jpg.txt
X
ledger="MANY=1 NAME='*.jpg.txt*|*ledger*' EXEMPT=ledger MAY='close*ledger'"
f 'EIO full short READ-EIO' "$ledger" 'adds-threshold --top 2 --append --ledger ledger --format txt s.adds'
before undo <<'X'
cp -r ../../tags/want/* .
X
f 'EIO full READ-EIO' "$ledger" 'adds-threshold --undo ledger'

before cat <<'X'
mkstream --kind features --records 30 --labels 6 --tokens 3 -o f.adds && head -c 900 f.adds >cut.adds && for i in o.adds o.npy p y.npy l o.safetensors; do echo old >$i; done
X
f 'EIO full short READ-EIO' "NAME='*o.adds*'" 'adds-cat --head 3 -o o.adds f.adds f.adds'
f 'EIO full' "EVERY=5 MANY=1 NAME='*o.npy*|*?p:*|*y.npy*|*?l:*'" 'adds-cat --npy o.npy --paths p --targets y.npy --labels l f.adds'
f 'EIO full' "EVERY=4 NAME='*o.safetensors*'" 'adds-cat --safetensors o.safetensors f.adds'
f 'EIO READ-EIO' "NAME='*o.adds*'" 'adds-cat -q --salvage -o o.adds cut.adds'

before train <<'X'
mkstream --kind labels --labels 12 --width 16 -o l.adds && mkstream --kind features --records 40 --labels 12 --width 16 --tokens 3 -o f.adds &&
mkstream --kind features --records 310 --labels 12 --width 16 --tokens 1 -o many.adds
X
# closed files of the run that were synced before; the starts of a run that goes on are counted in its state
run="NAME='*run*' EXEMPT='events*|state*|run.old' PART=run MAY='close*/events*|close*/log.jsonl|close*.adds~'"
train='adds-train -q -j1 -o run -t l.adds'
resume='adds-train -q -j1 --resume -o run 2>/dev/null ||'
f 'EIO full short' "EVERY=6 $run" "$train --epochs 2 f.adds" "$resume $train --epochs 2 f.adds"
f 'EIO full READ-EIO' "EVERY=5 $run" "$train --method ridge <f.adds" "$resume $train --method ridge <f.adds"
f EIO "EVERY=40 $run" "$train --epochs 1 --val-split 0 many.adds" "$resume $train --epochs 1 --val-split 0 many.adds"
before replace <<'X'
cp ../../train/start/* . && adds-train -q -j1 --method ridge --seed 2 -t l.adds -o run f.adds
X
replace="$train --replace --method ridge f.adds"
f EIO "FROM=68 $run PART=run.new" "$replace" "adds-train -q -j1 --resume --replace -o run 2>/dev/null || $replace"
done_
