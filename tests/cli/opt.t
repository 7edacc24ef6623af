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
