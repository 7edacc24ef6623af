# usual.sh - what every program of the suite must do alike. Sourced by lib.sh.
#
#   usual_options PROGRAM --NUMBER      help, version, mistakes; --NUMBER is one of its
#                                       long options, for a number from 0 or 1 up
#   usual_input PROGRAM 'ARGS' STREAM   an input that is missing, empty, cut, changed,
#                                       longer, no stream at all, or a terminal. ARGS is
#                                       what stands before the input; STREAM is a good one,
#                                       in the scratch folder, of at least two records
#   usual_output PROGRAM 'ARGS' [text]  /dev/full, closed pipe, no progress into a file, and
#                                       (unless it writes text) a terminal. ARGS make it
#                                       write to standard output and succeed
#   usual_file PROGRAM 'ARGS' 'BAD'     -o FILE: a folder that is not there, a file that
#                                       stays when ARGS are replaced by the failing BAD
# ARGS may be a line of sh: quotes in it, and a redirection at its end, count.

usual_options() {
	t "$1: --help" 0 <<X
$1 --help >long && $1 -h >short && cmp long short && cat long
X
	has out "usage: $1 *--help*--version*"
	t "$1: --version" 0 <<X
$1 --version >long && $1 -V >short && cmp long short && cat long
X
	has out "$1 (ADDS) [0-9]*.[0-9]*"
	t "$1: help onto a full disk" 1 <<X
$1 --help >/dev/full
X
	has err "$1: <stdout>: cannot write: *"
	t "$1: help onto a closed standard output" 1 <<X
$1 --help >&-
X
	has err "$1: <stdout>: cannot write: *"
	t "$1: an unknown option" 2 <<X
$1 --no-such-option
X
	has err "$1: unknown option '--no-such-option'*$1 --help*"
	t "$1: an unknown letter in a cluster" 2 <<X
$1 -q@v
X
	has err "$1: unknown option '-@'*"
	t "$1: an option without its value" 2 <<X
$1 $2
X
	has err "$1: option '$2' needs a value*"
	for usual_bad in x 1x '' ' 1' 0x1 99999999999999999999 -7 nan; do
		t "$1: $2 '$usual_bad'" 2 <<X
$1 $2 '$usual_bad'
X
		has err "$1: $2: *$usual_bad*"
	done
	t "$1: a value where none belongs" 2 <<X
$1 --quiet=3
X
	has err "$1: option '--quiet' takes no value*"
}

# changes one byte of a file in place
flip() { # file, offset
	old=$(od -An -tu1 -j "$2" -N 1 "$1" | tr -d ' ')
	# shellcheck disable=SC2059
	printf "\\$(printf %03o $((255 - old)))" | dd of="$1" bs=1 seek="$2" conv=notrunc 2>/dev/null
}

usual_input() {
	usual_size=$(wc -c <"$3")
	t "$1: a missing input" 1 <<X
$1 $2 not-there.adds >/dev/null
X
	has err "$1: *not-there.adds*No such file*"
	t "$1: a folder as input" 1 <<X
$1 $2 . >/dev/null
X
	has err "$1: *folder*"
	lacks err '*directory*'
	: >usual.empty
	t "$1: an empty input" 1 <<X
$1 $2 usual.empty >/dev/null
X
	has err "$1: *usual.empty*"
	t "$1: an empty pipe" 1 <<X
$1 $2 - </dev/null >/dev/null
X
	has err "$1: *<stdin>*"
	echo 'this is no stream, but a line of text' >usual.text
	t "$1: standard input is closed" 1 <<X
$1 $2 - <&- >/dev/null
X
	has err "$1: *<stdin>*Bad file descriptor*"
	t "$1: text as input" 1 <<X
$1 $2 usual.text >/dev/null
X
	has err "$1: *usual.text*"
	for cut in 1 $((usual_size / 4)) $((usual_size / 2)) $((usual_size * 3 / 4)); do
		head -c "$cut" "$3" >usual.cut
		t "$1: an input cut after $cut bytes of $usual_size" 1 <<X
$1 $2 usual.cut >/dev/null
X
		has err "$1: *usual.cut*"
	done
	for at in $((usual_size / 5)) $((usual_size / 2)); do
		cp "$3" usual.flip && flip usual.flip "$at"
		t "$1: byte $at of $usual_size changed" 1 <<X
$1 $2 usual.flip >/dev/null
X
		has err "$1: *usual.flip*"
	done
	(cat "$3" && echo rubbish) >usual.long
	t "$1: rubbish behind the end" 1 <<X
$1 $2 usual.long >/dev/null
X
	has err "$1: *usual.long*"
	on_terminal "$1: input from a terminal" "$1 $2 - >/dev/null" || return 0
	has out "$1: *terminal*"
}

# a test of status 1 with all three descriptors at a terminal, or a skipped one
on_terminal() { # name, command
	if ! script -qec true /dev/null >/dev/null 2>&1; then
		skip "$1 (script makes no terminal here)"
		return 1
	fi
	printf '%s\n' "$2" >usual.tty
	t "$1" 1 <<X
script -qec 'sh usual.tty' /dev/null
X
}

usual_output() {
	t "$1: a full disk" 1 <<X
$1 $2 >/dev/full
X
	has err "$1: *<stdout>*No space left on device*"
	# the reader is gone before the first byte; the parent ignores SIGPIPE, and
	# the program must not
	t "$1: standard output is closed" 1 <<X
$1 $2 >&-
X
	has err "$1: *<stdout>*cannot write: Bad file descriptor*"
	t "$1: a closed pipe" 0 <<X
trap '' PIPE
{ sleep .3; $1 $2; echo \$? >usual.status; } | :
while [ ! -s usual.status ]; do sleep .1; done
test "\$(cat usual.status)" -eq 141
X
	t "$1: nothing but the product, and no progress in a file" 0 <<X
$1 $2 >usual.product 2>usual.log && test -s usual.product && test ! -s usual.log
X
	[ "$3" = text ] && return 0
	on_terminal "$1: output to a terminal" "$1 $2" || return 0
	has out "$1: *terminal*"
}

usual_file() {
	t "$1: -o into a folder that is not there" 1 <<X
$1 -o not/there.adds $2
X
	has err "$1: *not/there.adds*No such file*"
	echo old >usual.old
	t "$1: a failed run leaves the old file, and nothing beside it" 0 <<X
$1 -qq -o usual.old $3
test \$? -eq 1 && test "\$(cat usual.old)" = old && test "\$(echo usual.old*)" = usual.old
X
	t "$1: -o puts the new file into place" 0 <<X
$1 -o usual.old $2 && test "\$(head -c 3 usual.old)" != old && test "\$(echo usual.old*)" = usual.old
X
}
