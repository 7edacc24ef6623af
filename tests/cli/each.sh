# each.sh - for tests of faults (tests/faults/each). Sourced behind lib.sh.
#
#   before FOLDER           the folder of the next commands; standard input is sh that makes what lies in it before each
#   f 'KIND …' 'VARIABLE=… …' COMMAND [AGAIN]
#                           one test for each kind of fault, at all calls of COMMAND or at one of EVERY so many, for each kind
#                           from another one on; READ-KIND is a fault of calls that read
model=$top/examples/mini_clip each=$top/tests/faults/each export top model each
unset ADDS_MODEL
# programs start slowly under a sanitizer: fewer calls
case $BUILD in *san-*) often=6 ;; *) often=1 ;; esac

f() {
	nth=0
	for kind in $1; do
		case $kind in READ-*) how="READS=1 KIND=${kind#*-}" ;; *) how=KIND=$kind ;; esac
		nth=$((nth + 1))
		t "$in: $kind: $3" 0 <<X
cd "$in" && export $how NTH=$nth $2 && EVERY=\$(($often * \${EVERY:-1})) sh "$each" '$3' ${4:+"'$4'"}
X
		has out '* 0 wrong'
	done
}

before() {
	settle
	in=$1
	mkdir -p "$in/start" && cat >.before && (cd "$in/start" && sh ../../.before) || exit 1
}
