# man.t - manual pages lint; --help and page name the same options
. ./cli/lib.sh
export top
for page in "$top"/man/*.[157]; do
	name=$(basename "$page")
	if command -v mandoc >/dev/null; then
		t "$name lints" 0 <<X
mandoc -T lint -W warning "$page" >lint || { cat lint >&2; exit 1; }
X
		t "$name: quotes close where they should, no command is broken over lines" 1 <<X
mandoc -T utf8 "$page" | LC_ALL=C.UTF-8 sed -e "s/.$(printf '\b')//g" -e '/A complete reader/,\$d' | grep -nE '’’|""|‘[^’]*‘' || grep -nE '^\.Dl .{67}' "$page"
X
	else
		skip "$name lints: no mandoc"
	fi
done
for program in "$BUILD"/adds-*; do
	[ -x "$program" ] || continue
	name=$(basename "$program")
	case $name in *.*) continue ;; esac
	t "$name: --help and manual name the same options" 0 <<X
page="$top/man/$name.1"
[ -f "\$page" ] || { echo "no manual page" >&2; exit 1; }
"$program" --help | grep -oE '^ +(-[A-Za-z0-9], )?--[a-z0-9-]+' | grep -oE -- '--[a-z0-9-]+' | sort -u >help
grep -E '^\.It Fl' "\$page" | grep -oE 'Fl Fl [a-z0-9-]+|Fl -[a-z0-9-]+' | sed -e 's/Fl Fl /--/' -e 's/Fl -/--/' | sort -u >man
diff help man >&2
X
done
done_
