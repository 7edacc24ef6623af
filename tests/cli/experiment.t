# experiment.t - the example experiment: from a labelled folder to metrics and
# thresholds, each step a target that make keeps
. ./cli/lib.sh
export top
mkdir few
for i in 0001 0003 0005 0008 0014 0016 0019 0023 0027 0040 0041 0047 0054 0062 0063 0071 0078 0081 0087 0093; do
	cp "$top"/examples/shapes/train/$i.* few/
done
t 'an experiment over two seeds and two shards' 0 <<'X'
MAKEFLAGS= make -s -f "$top/examples/experiment/Makefile" DATA=few LEVELS=1 SEEDS='0 1' SPLIT=train=0.6,val=0.4 TRAIN='--method decoder --epochs 1' >report 2>log
X
has err '*'
t 'its report and thresholds are there' 0 <<'X'
[ "$(wc -l <report.tsv)" -eq 2 ] && grep -q '"adds":"thresholds"' thresholds-0.json thresholds-1.json && adds-cat --verify train.adds val.adds >/dev/null
X
t 'a second run does nothing' 0 <<'X'
MAKEFLAGS= make -q -f "$top/examples/experiment/Makefile" DATA=few LEVELS=1 SEEDS='0 1' SPLIT=train=0.6,val=0.4
X
has err '*'
done_
