# plot.t - pictures of metrics and of a run: adds-eval --plot, and curves.svg
. ./cli/lib.sh
mkstream --kind scores --records 60 --labels 6 -o scores.adds && mkstream --kind scores --records 90 --labels 61 --width 8 -o many.adds &&
	mkstream --kind labels --labels 6 -o labels.adds && mkstream --kind features --records 40 --labels 6 --tokens 5 -o features.adds || exit 1
# Is it XML: one root, elements that close in order, quoted attributes, known entities, no control characters? Does it draw with
# numbers alone, and load nothing?
cat >drawing.sh <<'X'
for f; do
	awk 'BEGIN { RS = "<"; depth = 0 }
	function bad(why) { print FILENAME ": " why ": <" $0; failed = 1; exit 1 }
	NR == 1 { if ($0 != "") bad("text before the root"); next }
	{
		tag = $0; sub(/>.*/, "", tag); if (tag == $0) bad("a tag without its end")
		text = substr($0, length(tag) + 2); if (index(text, ">")) bad("a bare >")
		if (!depth && text !~ /^[\n]*$/) bad("text outside")
		all = $0; gsub(/&(amp|lt|gt|quot);/, "", all); if (index(all, "&")) bad("a bare &")
		gsub(/\n/, "", all); if (all ~ /[\001-\037\177]/) bad("a control character")
		if (all ~ /nan|inf|NaN|Inf/ && tag !~ /^desc/) bad("no number")
		if (all ~ /href|url\(|script|@import/) bad("it loads something")
		if (tag ~ /^\?/) { if (NR != 2) bad("a declaration inside"); next }
		name = tag; sub(/[ \/].*/, "", name)
		if (name == "") { sub(/^\//, "", tag); if (!depth || open[depth--] != tag) bad("closes another"); next }
		if (!depth && roots++) bad("a second root")
		rest = substr(tag, length(name) + 1); gsub(/ [A-Za-z0-9-]+="[^"]*"/, "", rest)
		if (rest != "" && rest != "/") bad("attributes")
		if (rest != "/") open[++depth] = name
	}
	END { if (!failed && (depth || !roots)) { print FILENAME ": not closed"; exit 1 } }' "$f" || exit 1
	head -c 200 "$f" | grep -q '<svg xmlns="http://www.w3.org/2000/svg" width="960" ' || exit 1
	grep -q '<rect x="0" y="0" width="960" height="[0-9.]*" fill="#ffffff"/>' "$f" || exit 1
	! command -v xmllint >/dev/null || xmllint --noout "$f" || exit 1
done
X

t 'what is no drawing is seen' 0 <<'X'
adds-eval --plot good.svg scores.adds >table && sh drawing.sh good.svg || exit
for change in 's,</g>,,' 's,>label0<,>a \& b<,' 's,>label0<,>a > b<,' 's,y="32",y=32,' 's, x1="[0-9.]*", x1="nan",' 's,</svg>,</svg><a/>,' 's,<g>,<g href="x">,'; do
	sed "$change" good.svg >bad.svg && ! cmp -s good.svg bad.svg && ! sh drawing.sh bad.svg >/dev/null 2>&1 || { echo "$change"; exit 1; }
done
X
t 'scores: two curves, chance, a bar for each label, and the numbers of the report' 0 <<'X'
adds-eval --plot s.svg --per-label s.tsv --json s.json scores.adds >table && sh drawing.sh s.svg && test "$(grep -c '<polyline' s.svg)" -eq 2 &&
test "$(grep -c '<g><title>' s.svg)" -eq 6 && sed -n 's,.*<g><title>\(.*\): \(.*\)\, \(.*\) pictures</title>,\1 \3 \2,p' s.svg | sort >drawn &&
awk -F '\t' 'NR > 1 { printf "%s %d %.3f\n", $1, $3, $4 }' s.tsv | sort | cmp - drawn &&
grep -q ">mean over labels, mAP $(awk '$1 == "all" { printf "%.3f", $4; exit }' table)<" s.svg && cat s.svg
X
has out '*>checkpoint *>60 labelled pictures<*>6 labels measured<*>360 known cells*Average precision by label*'
lacks out '*unseen*'
t 'the bars fall' 0 <<'X'
sed -n 's,.*<g><title>.*: \(.*\)\, .* pictures</title>,\1,p' s.svg >falling && sort -rn falling | cmp - falling
X
t 'of more than 60 labels the best 30 and the worst 30, and that is said' 0 <<'X'
adds-eval --plot m.svg --per-label m.tsv many.adds >table && sh drawing.sh m.svg && test "$(grep -c '<g><title>' m.svg)" -eq 60 && cat m.svg &&
sed 1d m.tsv | cut -f 1,4 | sort -t '	' -k 2,2rn | sed -n '31p' | cut -f 1 >left-out && ! grep -q "<title>$(cat left-out): " m.svg
X
has out '*the best 30 and the worst 30 of 61 labels; the 1 between them is not shown*'
t 'the same bytes for any number of threads' 0 <<'X'
adds-eval -j1 --plot a.svg many.adds >table && adds-eval -j3 --plot b.svg many.adds >table && cmp a.svg b.svg && cmp a.svg m.svg
X
t 'and in a locale with commas' 0 <<'X'
LC_ALL=de_DE.UTF-8 adds-eval --plot c.svg many.adds >table && cmp c.svg m.svg
X
t '--unseen: two colours and what they mean' 0 <<'X'
printf 'label1\nlabel4\n' >unseen.txt && adds-eval --plot u.svg --unseen unseen.txt scores.adds >table && sh drawing.sh u.svg &&
grep -A 2 '<title>label[14]: .*, unseen' u.svg | grep -c '#E69F00' && grep -A 2 '<title>label[0235]: .*, seen in training' u.svg | grep -c '#0072B2' && cat u.svg
X
has out '2*4*>seen in training<*>unseen<*'

# ---- names, and extremes ----
adds-cat --npy s.npy --targets y.npy --paths p.txt scores.adds || exit 1
printf 'a<b & "c" > d\na photograph of something whose name is far longer than any figure has room for, and then some more\033tab\nde\302\205l\n\343\201\202\nrtl\342\200\256x\nlast\n' >names
t 'names are escaped, control characters replaced, long ones cut' 0 <<'X'
adds-cat --import scores --npy s.npy --targets y.npy --paths p.txt --labels names --score logit --model-name m -o named.adds &&
adds-eval --plot n.svg named.adds >table && sh drawing.sh n.svg && cat n.svg
X
has out '*>a&lt;b &amp; &quot;c&quot; &gt; d</text>*'
has out '*>a photograph of something whose name *…</text>*'
has out '*<title>a photograph *, and then some more�tab: *'
has out '*>de�l</text>*'
has out '*>あ</text>*'
has out '*>rtl�x</text>*'
t 'one label, one picture, and both' 0 <<'X'
mkstream --kind scores --records 30 --labels 1 -o 1.adds && mkstream --kind scores --records 1 --labels 6 --positive 60 -o 2.adds && mkstream --kind scores --records 1 --labels 1 --positive 100 -o 3.adds &&
for i in 1 2 3; do adds-eval --plot $i.svg $i.adds >table && sh drawing.sh $i.svg && grep -q '<polyline' $i.svg || exit; done; grep -o '>1 label.*<' 3.svg
X
has out '*>1 labelled picture<*>1 label measured<*'
t 'nothing that could be measured: a sentence' 0 <<'X'
mkstream --kind scores --records 9 --labels 4 --positive 0 -o none.adds && adds-eval --plot none.svg none.adds >table && sh drawing.sh none.svg && cat none.svg
X
has out '*>Nothing to draw: of 4 labels none has enough known positives among 9 pictures.<*'
t 'no labelled picture: a warning, and no file' 1 <<'X'
mkstream --kind scores --records 3 --unlabelled 3 -o un.adds && adds-eval --plot un.svg un.adds && adds-eval --plot - un.adds && test -e un.svg
X
has err 'adds-eval: no labelled picture: nothing to measure?adds-eval: no labelled picture: nothing to measure'
t 'labels with few positives are left out of it, and counted' 0 <<'X'
adds-eval --min-positives 18 --plot few.svg --per-label few.tsv scores.adds >table && sh drawing.sh few.svg &&
test "$(grep -c '<g><title>' few.svg)" -eq "$(cut -f 4 few.tsv | grep -c '^[0-9]')" && grep -o '>[0-9]* labels* left out.*<' few.svg
X
has out '*too few positives*'
t 'labels without a positive that count as 0 have a bar' 0 <<'X'
mkstream --kind scores --records 4 --labels 9 --positive 15 -o rare.adds && adds-eval --empty zero --plot zero.svg --per-label zero.tsv rare.adds >table && sh drawing.sh zero.svg &&
test "$(grep -c '<g><title>' zero.svg)" -eq 9 && awk -F '\t' '$3 == "0"' zero.tsv | wc -l | grep -q '[1-9]' && grep -q ": 0.000, 0 pictures<" zero.svg
X

# ---- a checkpoint, with zero-shot beside it ----
adds-train -qq -t labels.adds --epochs 2 -o run features.adds && adds-encode-text --help >/dev/null || exit 1
t 'features: zero-shot is drawn beside a checkpoint, and scores stay the same' 0 <<'X'
adds-eval -t labels.adds -c run/final.safetensors -o a.adds features.adds >one && adds-eval -t labels.adds -c run/final.safetensors -o b.adds --plot c.svg features.adds >two && cmp a.adds b.adds && cmp one two &&
sh drawing.sh c.svg && test "$(grep -c '<polyline' c.svg)" -eq 4 && adds-eval -t labels.adds --zero-shot -o z.adds --plot z.svg features.adds >table &&
map=$(awk '$1 == "all" { printf "%.3f", $4; exit }' table) && test "$map" != "$(awk '$1 == "all" { printf "%.3f", $4; exit }' one)" && grep -A 2 '>zero-shot<' c.svg | grep -q ">mean over labels, mAP $map<" && sh drawing.sh z.svg && test "$(grep -c '<polyline' z.svg)" -eq 2 && cat c.svg
X
has out '*>checkpoint *>zero-shot<*>seen in training<*'
t 'a label that the checkpoint was not trained on has the other colour' 0 <<'X'
printf 'label2\n' >held && adds-train -qq -t labels.adds --holdout-labels held --epochs 1 --method decoder -o held-run features.adds &&
adds-eval -t labels.adds -c held-run/final.safetensors -o h.adds --plot h.svg features.adds >table && sh drawing.sh h.svg && grep -o '<title>.*unseen</title>' h.svg
X
has out '<title>label2: *, unseen</title>'

# ---- where it goes ----
t '--plot - stands in the place of the table' 0 <<'X'
adds-eval --plot - scores.adds >o.svg && cmp o.svg s.svg
X
t 'into a pipe' 0 <<'X'
mkfifo pipe && { cat pipe >p.svg & adds-eval --plot pipe scores.adds >table && wait && cmp p.svg s.svg; }
X
t 'a folder that is not there' 1 <<'X'
adds-eval --plot not/there.svg scores.adds >table
X
has err "adds-eval: *not/there.svg*No such file*"
t 'a full disk' 1 <<'X'
adds-eval --plot /dev/full scores.adds >table
X
has err 'adds-eval: */dev/full*No space left on device*'
t 'a failed run leaves the old file, and nothing beside it' 0 <<'X'
echo old >old.svg && head -c 900 scores.adds >cut.adds; adds-eval -qq --plot old.svg cut.adds >table; test $? -eq 1 && test "$(cat old.svg)" = old && test "$(echo old.svg*)" = old.svg &&
adds-eval --plot old.svg scores.adds >table && cmp old.svg s.svg && test "$(echo old.svg*)" = old.svg
X
for files in '-o same' '--json same' '--per-label same'; do
	t "one file for two things: $files" 2 <<X
adds-eval $files --plot same -t labels.adds --zero-shot features.adds >o
X
	has err "adds-eval: 'same' cannot hold both *"
done
t 'standard output for two things' 2 <<'X'
adds-eval --plot - -t labels.adds --zero-shot features.adds >o
X
has err 'adds-eval: standard output carries the score stream*'
t 'a plot beside scores on standard output' 0 <<'X'
adds-eval --plot beside.svg -t labels.adds --zero-shot features.adds >o && adds-cat --verify o >table && cmp beside.svg z.svg
X

# ---- curves.svg of a run ----
t 'a run is drawn: mAP by epoch, what else was trained, the loss' 0 <<'X'
cd run && sh ../drawing.sh curves.svg && grep -o '>[^<>]*: [0-9.]*[^<>]*</text>' curves.svg | tr '\n' ' ' && grep -o '"mAP":[0-9.]*' log.jsonl | cut -d: -f2
X
has out '>DM-decoder: best 0.[0-9]*, in epoch [12]</text> >ridge: 0.[0-9]*</text> >zero-shot: 0.[0-9]*</text>*'
t 'its numbers are those of the log, its epochs whole' 0 <<'X'
for method in zero-shot ridge; do
	map=$(grep "\"method\":\"$method\"" run/log.jsonl | sed 's/.*"mAP":\([0-9.e-]*\).*/\1/' | awk '{ printf "%.3f", $1 }') && grep -q ">$method: $map</text>" run/curves.svg || exit
done
awk '/text-anchor="middle">[0-9.]+</ { sub(/.*">/, ""); sub(/<.*/, ""); if ($0 !~ /^[0-9]+$/) exit 1; n++ } END { exit !(n == 6) }' run/curves.svg
X
t 'a complete run that is gone on with keeps it' 0 <<'X'
cp run/curves.svg before && adds-train -q --resume -o run && cmp before run/curves.svg
X
t 'a log that was tampered with' 1 <<'X'
cp -r run tampered && sed '2s/{/[/' run/log.jsonl >tampered/log.jsonl && adds-train -q --resume -o tampered
X
has err "adds-train: 'tampered/log.jsonl': line 2 is no JSON"
t 'stopped and gone on with: the same curves' 0 <<'X'
exec 2>/dev/null
r='adds-train -q --method decoder --epochs 40 --batch 4 -t labels.adds'
$r -o whole features.adds || exit
$r -o parts features.adds & pid=$!
while [ "$(cat parts/log.jsonl 2>/dev/null | wc -l)" -lt 30 ] && kill -0 $pid 2>/dev/null; do :; done
kill -TERM $pid; wait $pid; test $? -eq 143 && test ! -e parts/curves.svg && adds-train -q --resume -o parts && cmp whole/curves.svg parts/curves.svg && cmp whole/log.jsonl parts/log.jsonl
X
t 'many steps are drawn as means' 0 <<'X'
adds-train -q --method decoder --epochs 30 --batch 2 -t labels.adds -o long features.adds && steps=$(grep -c '"event":"step"' long/log.jsonl) && each=$(((steps + 399) / 400)) && test $each -gt 1 &&
grep -q ">training, means of $each steps<" long/curves.svg && sh drawing.sh long/curves.svg &&
test "$(grep 'stroke="#8CC4E6"' long/curves.svg | grep -o '[0-9.]*,[0-9.]*' | wc -l)" -eq $(((steps + each - 1) / each))
X
t 'a ridge alone: bars' 0 <<'X'
adds-train -q --method ridge -t labels.adds -o ridge features.adds && sh drawing.sh ridge/curves.svg && grep -o '<g><title>.*</title>' ridge/curves.svg
X
has out '*<g><title>zero-shot</title>*<g><title>ridge</title>*'
t 'one epoch of one step' 0 <<'X'
adds-train -q --method decoder --epochs 1 --batch 100 -t labels.adds -o short features.adds && sh drawing.sh short/curves.svg && test "$(grep -c '<circle' short/curves.svg)" -ge 3
X
t 'no validation: no curves' 0 <<'X'
adds-train -qq --method decoder --epochs 1 --val-split 0 -t labels.adds -o blind features.adds && test ! -e blind/curves.svg && test -e blind/final.safetensors
X
done_
