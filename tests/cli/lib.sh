# lib.sh - for CLI tests, in TAP. A test file begins with
#   . ./cli/lib.sh
# (tests/run starts it in tests/). Then, for each test,
#   t 'name' STATUS <<'X'
#   commands, run by sh in the scratch folder
#   X
#   has err 'PATTERN'      stderr must match this shell pattern; without it,
#                          stderr must be empty
#   has out 'PATTERN'      stdout likewise (without it, anything goes)
#   lacks out 'PATTERN'    (or err) must not match
# What all programs share is tested by the functions of usual.sh.
# Never pipe the tool under test: its status would be lost.
top=$(cd .. && pwd)
DATA=${ADDS_DATA:-$top/../shared/data}
scratch=$(mktemp -d) || exit 1
trap 'rm -rf "$scratch"' EXIT
. ./cli/usual.sh
cd "$scratch" || exit 1
LC_ALL=C.UTF-8 export LC_ALL
number=0 pending=''

result() { # verdict, text
	number=$((number + 1))
	echo "$1 $number - $2"
	[ "$1" = ok ] && return
	sed 's/^/# err: /' "$scratch/.err" | head -5
	sed 's/^/# out: /' "$scratch/.out" | head -5
}

# closes the test before: its stderr must have been empty unless asked for
settle() {
	[ -n "$pending" ] || return 0
	if [ "$bad" ]; then
		result 'not ok' "$pending: $bad"
	elif [ ! "$err_asked" ] && [ -s .err ]; then
		result 'not ok' "$pending: something on stderr"
	else
		result ok "$pending"
	fi
	pending=''
}

t() {
	settle
	pending=$1 bad='' err_asked=''
	cat >.cmd
	sh .cmd >.out 2>.err </dev/null
	got=$?
	[ "$got" -eq "$2" ] || bad="status $got, not $2"
}

has() {
	[ "$1" = err ] && err_asked=1
	text=$(cat ".$1")
	# shellcheck disable=SC2254
	case $text in
	$2) ;;
	*) [ "$bad" ] || bad="$1 is not like '$2'" ;;
	esac
}

lacks() {
	text=$(cat ".$1")
	# shellcheck disable=SC2254
	case $text in
	$2) [ "$bad" ] || bad="$1 is like '$2'" ;;
	esac
}

skip() { # text: one test that cannot be run here
	settle
	number=$((number + 1))
	echo "ok $number - $1 # SKIP"
}

done_() {
	settle
	echo "1..$number"
}
