# adds-index.t - pictures found, labels read, vocabulary, parts, errors
. ./cli/lib.sh

# FILE: a line for each picture, path +positives -negatives; errors as path !reason
cat >show <<'X'
adds-cat --jsonl "$1" >show.lines || exit
sed -nE -e 's/^\{"bytes":"[0-9]*",("image":[^}]*\},)?"mtime":"[0-9]*"(,"negative":\[([^]]*)\])?,"path":"([^"]*)"(,"positive":\[([^]]*)\])?,"record":"picture".*/\4 +\6 -\3 \2\5/p' \
	-e 's/^\{"path":"([^"]*)","reason":"(.*)","record":"error","stage":"([a-z]*)".*/\1 !\3: \2/p' show.lines |
	sed -E -e 's/,"negative":[^]]*\]/N/; s/,"positive":[^]]*\]/P/; s/"//g' >show.text
cat show.text
X
# the same, with just the paths
cat >paths <<'X'
sh show "$1" >paths.text && cut -d' ' -f1 paths.text
X

usual_options adds-index --seed

mkdir -p p/sub/deep p/.hidden p/@eaDir p/.git q
for f in p/b.jpg p/A.JPEG p/sub/c.Png p/sub/deep/d.webp p/sub.jpg p/.hidden/h.jpg p/.h.jpg p/@eaDir/t.jpg p/.git/g.jpg; do
	printf 'picture %s' "$f" >"$f"
done
echo no >p/note.txt
echo no >p/x.pdf
touch p/y.jpg.part
mkdir p/folder.jpg p/links
ln -s .. p/links/back
printf inside >p/folder.jpg/z.png

usual_output adds-index p
usual_file adds-index p/sub.jpg not-there
ln -s nothing p/sub/dangling.jpg

t 'pictures are found by name, sorted, hidden ones left out, loops not followed' 0 <<'X'
adds-index -o o p 2>log && sh paths o
X
has out 'p/A.JPEG
p/b.jpg
p/folder.jpg/z.png
p/sub/c.Png
p/sub/dangling.jpg
p/sub/deep/d.webp
p/sub.jpg'
mkdir -p far/off linked/own && printf far >far/off/f.jpg && printf own >linked/own/o.jpg
ln -s ../far/off linked/once && ln -s ../far/off linked/twice && ln -s own/o.jpg linked/renamed.png
ln -s ../../linked linked/own/up && ln -s self linked/self.jpg && ln -s self linked/self
t 'links: followed, out of the folder as well, by each of their names; one to a folder around it is left out and counted' 0 <<'X'
adds-index -v -o o linked 2>log && sh show o && grep -o 'links that lead back.*' log
X
has out "linked/once/f.jpg*linked/own/o.jpg*linked/renamed.png*linked/self.jpg !read: cannot open 'linked/self.jpg': *linked/twice/f.jpg*links that lead back to a folder they lie in were left out: 1, the first: 'linked/own/up'"
t 'two folders that link to each other end' 0 <<'X'
mkdir -p ring/a ring/b && printf x >ring/a/x.jpg && ln -s ../b ring/a/b && ln -s ../a ring/b/a && adds-index -o o ring && sh paths o
X
has out 'ring/a/x.jpg
ring/b/a/x.jpg'
t 'a picture that is not there becomes an error record' 0 <<'X'
adds-index p/sub p/missing.jpg 2>/dev/null >o; test $? -eq 1 && adds-index p/sub >o && sh show o
X
has err "adds-index: 1 of 3 pictures became an error record, the first: cannot open 'p/sub/dangling.jpg': No such file*"
has out "*dangling.jpg !read: cannot open 'p/sub/dangling.jpg': No such file*"
t '--on-error stop stops there' 1 <<'X'
adds-index --on-error stop p/sub >o
X
has err "adds-index: cannot open 'p/sub/dangling.jpg'*"
t '--strict makes error records a failure' 1 <<'X'
adds-index -q --strict -o o p/sub
X
rm p/sub/dangling.jpg
t '--include-hidden takes them, but not .git and @eaDir' 0 <<'X'
adds-index --include-hidden p >o && sh paths o
X
has out 'p/.h.jpg
p/.hidden/h.jpg
p/A.JPEG*'
lacks out '*eaDir*'
t 'arguments keep their order; a slash at the end is not doubled' 0 <<'X'
adds-index p/sub.jpg p/sub/ >o && sh paths o
X
has out 'p/sub.jpg
p/sub/c.Png
p/sub/deep/d.webp'
t 'a missing argument' 1 <<'X'
adds-index p nowhere >o
X
has err "adds-index: cannot open 'nowhere': No such file*"
t 'no argument at all' 2 <<'X'
adds-index >o
X
has err 'adds-index: which pictures?*'
t 'an empty folder gives an empty stream and a warning' 0 <<'X'
adds-index q >o && adds-cat --verify o >/dev/null
X
has err 'adds-index: no picture*'
t 'named files that are no pictures are left out with a warning' 0 <<'X'
adds-index p/*.* >o && sh paths o
X
has err "adds-index: 3 named files are no pictures by name*'p/note.txt'"
mkdir -p raw/sub && touch raw/a.jpg raw/b.HEIC raw/c.heic raw/sub/d.tif raw/notes.txt raw/.hidden.gif && mkdir raw/folder.raw
t 'pictures of formats that are not read: one warning' 0 <<'X'
adds-index -o o raw && sh paths o && adds-index -q -o o raw
X
has out 'raw/a.jpg'
has err "adds-index: 3 pictures are of a format that is not read and left out (.heic 2, .tif 1), the first: 'raw/b.HEIC': convert *ImageMagick"
lacks err '*
*'
t 'one of them, named' 1 <<'X'
adds-index -o o2 raw/c.heic; rc=$?; ls o2 2>/dev/null; exit $rc
X
has err "adds-index: 'raw/c.heic' is of a format that is not read: convert *ImageMagick"
lacks out '*o2*'
t '... among others' 0 <<'X'
adds-index -o o raw/a.jpg raw/c.heic
X
has err "adds-index: 1 named file is no picture by name *'raw/c.heic'"
t 'lists of files' 0 <<'X'
printf 'p/sub.jpg\np/sub\n\ngone.jpg\n' >list && adds-index -q --files-from list >o && sh show o
X
has out "p/sub.jpg + - 
p/sub/c.Png + - 
p/sub/deep/d.webp + - 
gone.jpg !read: *"
t 'lists that end with NUL, from standard input' 0 <<'X'
printf 'p/b.jpg\0p/sub/c.Png\0' >list && adds-index -0 --files-from - <list >o && sh paths o
X
has out 'p/b.jpg
p/sub/c.Png'
t 'lines that end as on Windows' 0 <<'X'
printf 'p/b.jpg\r\np/sub/c.Png\r\n' >dos && adds-index --files-from dos >o && sh paths o
X
has out 'p/b.jpg
p/sub/c.Png'
t 'NUL bytes in a list of lines' 1 <<'X'
adds-index --files-from list >o
X
has err "*use -0*"
t 'size and time are those of the file' 0 <<'X'
touch -d '2024-02-03 04:05:06.789123456 UTC' p/b.jpg && adds-index p/b.jpg >o && adds-cat --jsonl o | grep -c '"bytes":"15","mtime":"1706933106789123456"'
X
has out 1
t '--embed carries the bytes' 0 <<'X'
adds-index --embed p/b.jpg >o && zstd -dcq o | grep -ac 'picture p/b.jpg'
X
t '--embed and the plain form say the same otherwise' 0 <<'X'
adds-index p >a && sh show a >a.text && adds-index --embed p >b && sh show b >b.text && cmp a.text b.text
X

# ---- labels ----
mkdir n
cat >n/organized_Tags.json <<'X'
{"animal": {"dog": ["poodle"], "cat": []}, "sky": [], "wood": ["oak"], "material": ["wood"]}
X
touch n/1.jpg n/2.png n/3.webp n/4.jpg n/5.jpg n/6.jpg n/6.png
echo '{"dog": ["poodle"], "sky": false, "cat": null}' >n/1.json
echo '{"encoded_labels": [0,0,0,0,0,0,1,0]}' >n/2.json
echo '{"material": {"wood": 1}, "encoded_labels": [0,0,0,1,0,0,0,1]}' >n/3.json
echo '{"sky": 1, "negative_labels": ["dog"]}' >n/4.jpg.json
echo '{"cat": 1}' >n/4.json
echo '["oak"]' >n/6.json
cp -r n n.before
t 'the forms of a label file' 0 <<'X'
adds-index -q -o o n && sh show o
X
has out 'n/1.jpg +animal,dog,poodle - P
n/2.png +sky - P
n/3.webp +material,wood - P
n/4.jpg +sky -dog,poodle NP
n/5.jpg + - 
n/6.jpg +oak,wood - P
n/6.png +oak,wood - P'
t 'nothing of the user is changed' 0 <<'X'
diff -r n n.before
X
t 'the vocabulary of the folder above serves too' 0 <<'X'
mkdir -p n/part && cp n/1.j* n/part && adds-index -v n/part >o; rm -r n/part; sh show o
X
has err "*8 labels in 'n/part/../organized_Tags.json'*"
has out 'n/part/1.jpg +animal,dog,poodle - P'
t 'unlabelled pictures are counted' 0 <<'X'
adds-index n >o
X
has err 'adds-index: 1 of 7 pictures has no labels: neither trained on nor measured'
t '--require-labels' 1 <<'X'
adds-index --require-labels n >o
X
has err "adds-index: 'n/5.jpg' has no label file (--require-labels)"
rm n/5.jpg
t '--unstated unknown' 0 <<'X'
adds-index --unstated unknown n/1.jpg n/4.jpg --tags n/organized_Tags.json >o && sh show o
X
has out 'n/1.jpg +animal,dog,poodle - NP
n/4.jpg +sky -dog,poodle NP'
t 'a vector of the wrong length names file and place' 1 <<'X'
echo '{"encoded_labels": [0,1]}' >n/2.json; adds-index n >o
X
has err "adds-index: 'n/2.json' \$.encoded_labels has 2 values, but the vocabulary 8 labels"
t 'a vector that contradicts the tags' 1 <<'X'
echo '{"sky": 1, "encoded_labels": [1,0,0,0,0,0,1,0]}' >n/2.json; adds-index n >o
X
has err "adds-index: 'n/2.json' \$.encoded_labels?0? is 1, but 'animal' is none of the file's tags"
t 'an unknown tag names file and JSON path' 1 <<'X'
echo '{"animal": ["dog", "zebra"]}' >n/2.json; adds-index n >o
X
has err "adds-index: 'n/2.json' byte 19, \$.animal?1?: 'zebra' is not in the vocabulary 'n/organized_Tags.json': *--on-unknown*"
t '--on-error skip makes an error record of it' 0 <<'X'
adds-index --on-error skip n >o; sh show o
X
has err "adds-index: 1 of 6 pictures became an error record, the first: 'n/2.json' byte 19*"
has out "*n/2.png !label: 'n/2.json' byte 19*"
t '--on-unknown skip leaves the tag out' 0 <<'X'
adds-index --on-unknown skip n >o; sh show o
X
has err "adds-index: 1 tag is not in the vocabulary and left out, the first: 'zebra'"
has out '*n/2.png +animal,dog - P*'
t '--on-unknown add puts it behind the others; vectors stay as they are' 0 <<'X'
echo '["aardvark"]' >n/6.json; adds-index --on-unknown add n >o && sh show o && adds-cat --jsonl --head 1 o | head -1
X
has out '*n/2.png +animal,dog,zebra - P*n/6.jpg +aardvark - P*"labels":?"animal","cat","dog","material","oak","poodle","sky","wood","aardvark","zebra"]*'
echo '["oak"]' >n/6.json
t 'a broken label file stops' 1 <<'X'
echo '{"animal": ' >n/2.json; adds-index n >o
X
has err "adds-index: 'n/2.json' byte 12, \$.animal: the JSON ends early"
t 'a vector without a vocabulary' 1 <<'X'
mkdir v && touch v/a.jpg && echo '{"encoded_labels": [1]}' >v/a.json && adds-index v >o
X
has err "adds-index: 'v/a.json' \$.encoded_labels needs the vocabulary*"
t 'a vocabulary from a list keeps its order' 0 <<'X'
printf 'sky\n poodle \ndog\n' >list && echo '{"dog": ["poodle"]}' >n/2.json && adds-index --tags list n/2.png >o && adds-cat --jsonl o
X
has out '*"labels":?"sky","poodle","dog"]*"positive":?"poodle","dog"]*'
t 'a list with a name twice' 1 <<'X'
printf 'sky\ndog\nsky\n' >list && adds-index --tags list n/2.png >o
X
has err "adds-index: 'list' line 3: 'sky' stands twice*"
t 'two folders with different vocabularies' 1 <<'X'
mkdir m && echo '["x"]' >m/organized_Tags.json && adds-index n m >o
X
has err "adds-index: 'n/organized_Tags.json' and 'm/organized_Tags.json' name different labels: say which with --tags"

mkdir -p w/train w/val
touch w/train/a.jpg w/val/b.jpg w/val/c.jpg
echo '{"b": ["a2"], "é": 1}' >w/train/a.json
echo 'zoo, b,' >w/val/b.jpg.txt
t 'without a vocabulary all label files are read first, also for a shard' 0 <<'X'
adds-index -q w >o && adds-index -q w/train w/val --shard 1/2 >o1 && adds-index -q w/train w/val --shard 2/2 >o2 &&
for o in o o1 o2; do adds-cat --jsonl $o | head -1 | grep -o '"labels":.*"zoo","é"'; done && sh show o
X
has out '"labels":?"a2","b","zoo","é"
"labels":?"a2","b","zoo","é"
"labels":?"a2","b","zoo","é"
w/train/a.jpg +a2,b,é - P
w/val/b.jpg +b,zoo - P
w/val/c.jpg + - '
t '--sidecars none and json' 0 <<'X'
adds-index --sidecars none w >o && sh show o && adds-index -q --sidecars json w >o && sh show o
X
has out 'w/train/a.jpg + - 
w/val/b.jpg + - 
w/val/c.jpg + - 
w/train/a.jpg +a2,b,é - P
w/val/b.jpg + - 
w/val/c.jpg + - '

# ---- tables ----
cat >coco.json <<'X'
{"images": [{"id": 1, "file_name": "a.jpg"}, {"id": 2, "file_name": "b.jpg"}],
 "annotations": [{"image_id": 1, "category_id": 9}, {"image_id": 1, "category_id": 3}],
 "categories": [{"id": 3, "name": "dog", "supercategory": "animal"}, {"id": 9, "name": "car", "supercategory": "vehicle"}]}
X
t 'COCO' 0 <<'X'
adds-index -q --labels coco.json w >o && sh show o
X
has out 'w/train/a.jpg +car,dog - P
w/val/b.jpg + - P
w/val/c.jpg + - '
t 'COCO with supercategories' 0 <<'X'
adds-index -q --supercategories --labels coco.json w >o && sh show o
X
has out 'w/train/a.jpg +animal,car,dog,vehicle - P*'
t 'a table with a label that the vocabulary lacks' 1 <<'X'
echo dog >list && adds-index --tags list --labels coco.json w >o
X
has err "adds-index: 'coco.json' byte 2??: 'car' is not in the vocabulary 'list': *"
t 'metadata.jsonl of a folder is read; files beside pictures serve the others' 0 <<'X'
echo '{"file_name": "val/c.jpg", "labels": ["b"], "negative_labels": ["zoo"]}' >w/metadata.jsonl && adds-index w >o && sh show o; rm w/metadata.jsonl
X
has out 'w/train/a.jpg +a2,b,é - P
w/val/b.jpg +b,zoo - P
w/val/c.jpg +b -zoo NP'
t 'a key that stands twice in a line, or says what another says' 1 <<'X'
printf '{"file_name": "a.jpg", "labels": ["b"]}\n{"file_name": "b.jpg", "labels": ["b"], "labels": ["c"]}\n' >t.jsonl && adds-index --labels t.jsonl -o o w && exit 3
printf '{"file_name": "a.jpg", "labels": ["b"], "tags": ["c"]}\n' >t.jsonl && adds-index --labels t.jsonl -o o w
X
has err "adds-index: 't.jsonl' line 2 byte *, $.labels: the key stands twice*adds-index: 't.jsonl' line 1 byte *, *tags*: the line has 'labels' and 'tags': *"
t 'CSV as of Open Images' 0 <<'X'
printf 'ImageID,Source,LabelName,Confidence\na,v,dog,1\na,v,cat,0\n' >t.csv && adds-index -q --labels t.csv w >o && sh show o
X
has out 'w/train/a.jpg +dog -cat NP
w/val/b.jpg + - 
w/val/c.jpg + - '
printf 'file_name,labels\n%s,b\nx.jpg,b\ny.jpg,b\nz.jpg,b\nlast.jpg,b\n' a.jpg >some.csv
printf 'file_name,labels\n0001.jpg,b\n0002.jpg,b\n' >other.csv
t 'a table that speaks of no picture, once' 0 <<'X'
adds-index --labels other.csv -o o w
X
has err "adds-index: no picture has labels in 'other.csv': it names '0001.jpg', '0002.jpg', the first picture is 'w/train/a.jpg'"
lacks err '*
*'
t 'entries of a table that match no picture' 0 <<'X'
adds-index --labels some.csv -o o w/train
X
has err "adds-index: 'some.csv': 4 of 5 entries match no picture: 'x.jpg', 'y.jpg', 'z.jpg', ..."
lacks err '*
*'
t '... the same in every shard and part, however pictures are chosen' 0 <<'X'
printf 'file_name,labels\na.jpg,b\nb.jpg,b\nc.jpg,b\ngone.jpg,b\n' >t.csv
for how in '--shard 1/3' '--shard 2/3' '--shard 3/3' '--shard 1/2 --by content' '--shard 2/2 --by content' '--tags names'; do
	printf 'b\n' >names; adds-index $how --labels t.csv -o o w 2>log; grep -c "1 of 4 entries matches no picture: 'gone.jpg'\$" log
done
X
has out '1
1
1
1
1
1'
t 'a table that speaks of every picture is silent' 0 <<'X'
printf 'file_name,labels\na.jpg,b\nb.jpg,b\nc.jpg,b\n' >t.csv && adds-index --labels t.csv -o o w && adds-index --labels t.csv --tags names -o o w
X
t 'a broken table stops, whatever --on-error says' 1 <<'X'
printf 'file_name,labels\na.jpg\n' >t.csv && adds-index --on-error skip --labels t.csv w >o
X
has err "adds-index: 't.csv' line 2: 1 fields, but the first line has 2"

# ---- parts ----
mkdir -p many/x
i=0
while [ $i -lt 400 ]; do
	echo $((i % 200)) >many/x/$i.jpg
	i=$((i + 1))
done
t 'the parts of a split are all of it, once, in about the shares asked for' 0 <<'X'
adds-index many >all && sh paths all >all.paths
for p in train val; do adds-index --split train=0.8,val=0.2 --take $p many >$p && sh paths $p >$p.paths || exit; done
cat train.paths val.paths | sort >both && sort all.paths | cmp - both && n=$(wc -l <val.paths) && test $n -gt 55 && test $n -lt 105
X
t 'shards of a part are all of it, once' 0 <<'X'
for k in 1 2 3; do adds-index --split train=0.8,val=0.2 --take train --shard $k/3 many >s$k && sh paths s$k >s$k.paths && test -s s$k.paths || exit; done
cat s1.paths s2.paths s3.paths | sort >three && sort train.paths | cmp - three && test $(wc -l <s2.paths) -gt 80
X
t 'the part does not hang on where the folder lies, but on the seed' 0 <<'X'
mkdir elsewhere && cp -r many elsewhere/many && adds-index --split train=0.8,val=0.2 --take val elsewhere/many >v.a && sh paths v.a | sed s:elsewhere/:: | cmp - val.paths || exit
adds-index --seed 1 --split train=0.8,val=0.2 --take val many >v.a && sh paths v.a | cmp -s - val.paths; test $? -eq 1
X
t 'by content copies stay together' 0 <<'X'
adds-index --by content --split a=0.5,b=0.5 --take a many >v.a && sh paths v.a | sed 's/.*x.//; s/.jpg//' | awk '{n[$1%200]++} END{for (i in n) if (n[i] != 2) exit 1; if (length(n) < 70 || length(n) > 130) exit 1}'
X
t 'joined shards are a stream' 0 <<'X'
cat s1 s2 s3 >joined && adds-cat --verify joined >/dev/null
X
t 'the same bytes for any number of threads' 0 <<'X'
for a in n w; do for j in 1 2 3 8; do adds-index -j $j -q many $a >j$j || exit; cmp j1 j$j || exit; done; done
X
while read -r options; do
	t "wrong: $options" 2 <<X
adds-index $options many >o
X
	has err 'adds-index: --*'
done <<'X'
--split train=0.8,val=0.2
--take val
--split train=0.8 --take train
--split train=0.8,val=0.3 --take val
--split train=0.8,val=0.2 --take test
--split train=0.5,train=0.5 --take train
--split train,val --take val
--split =1 --take x
--split train=x,val=0.2 --take val
--shard 0/3
--shard 4/3
--shard 3
--shard 1/2/3
--shard 1/2x
--shard ' 1/2'
--by name
--on-error maybe
X
t 'provenance has the options that change the result' 0 <<'X'
adds-index -j 3 --split a=0.5,b=0.5 --take a --seed 7 many >v.a && adds-cat --jsonl v.a | head -1
X
has out '*"provenance":?{"options":{"seed":"7","split":"a=0.5,b=0.5","take":"a"},"program":"adds-index","version":*'
t 'a file that is no picture is an error where nothing else is named' 1 <<'X'
printf 'cat\ndog\n' >words.txt && adds-index -o words.adds words.txt; rc=$?; ls words.adds 2>/dev/null; exit $rc
X
has err "adds-index: 'words.txt' is no picture by name (.png .jpg .jpeg .webp): --files-from takes a list of pictures, --tags a vocabulary, --labels labels of pictures"
lacks out '*words.adds*'
t 'so it is through --files-from, and into a pipe the stream stays without an end' 1 <<'X'
ls words.txt >list && adds-index --files-from list >cut; rc=$?; adds-cat --verify cut 2>/dev/null && exit 0; exit $rc
X
has err "adds-index: 'words.txt' is no picture*"
t 'beside a folder it is left out and counted' 0 <<'X'
mkdir -p one && touch one/a.jpg && adds-index -o one.adds one words.txt && adds-cat one.adds | grep -c a.jpg
X
has err "adds-index: 1 named file *words.txt*"
t 'an empty folder is an empty stream' 0 <<'X'
mkdir none && adds-index -o none.adds none && adds-cat --verify none.adds
X
has err 'adds-index: no picture*'
done_
