# table.awk - bars and measurements (see run) to a table and, into the file `json`, an array
# SPDX-License-Identifier: MIT

function field(line, key,    at) {
	at = match(line, "\"" key "\": *(\"[^\"]*\"|[^,}]*)")
	if (!at)
		return ""
	line = substr(line, RSTART, RLENGTH)
	sub(/^"[^"]*": */, "", line)
	gsub(/"/, "", line)
	return line
}

# more than 1: better
function ratio(name, whose) {
	return better[name] == "less" ? value[name, whose] / value[name, "ADDS"] : value[name, "ADDS"] / value[name, whose]
}

function number(x) {
	return x == "" ? "-" : sprintf("%.4g", x)
}

function row(name, whose, reach,    r, c, verdict) {
	r = (name, whose) in value && (name, "ADDS") in value ? ratio(name, whose) : ""
	c = (name, "ceiling") in value ? value[name, "ceiling"] : ""
	verdict = r == "" || reach == "" ? "-" : r + 0 >= reach + 0 ? "ok" : "SHORT"
	short += verdict == "SHORT"
	printf "%-46s %9s %-16s %9s %9s %7s %6s  %-5s  %s\n", name, number(value[name, "ADDS"]), whose == "" ? "-" : whose,
		number(value[name, whose]), number(c), r == "" ? "-" : sprintf("%.2f", r), reach == "" ? "-" : reach, verdict, unit[name]
	printf "%s{\"name\":\"%s\",\"unit\":\"%s\",\"better\":\"%s\",\"adds\":%s,\"peer\":\"%s\",\"peer_value\":%s,\"ceiling\":%s,\"ratio\":%s,\"reach\":%s}",
		rows++ ? ",\n" : "[", name, unit[name], better[name], null(value[name, "ADDS"]), whose, null(value[name, whose]), null(c), null(r), null(reach) >json
}

function null(x) {
	return x == "" ? "null" : x
}

FILENAME ~ /bars$/ {
	if (split($0, part, "\t") == 3 && $0 !~ /^#/) {
		pattern[++bars] = "^" part[1] "$"
		against[bars] = part[2]
		wanted[bars] = part[3]
	}
	next
}

/^\{/ && (name = field($0, "name")) != "" {
	who = field($0, "who")
	v = field($0, "value") + 0
	if (!(name in better))
		order[++names] = name
	better[name] = field($0, "better")
	unit[name] = field($0, "unit")
	if (!((name, who) in value))
		whos[name] = whos[name] "\n" who
	if (!((name, who) in value) || (better[name] == "less" ? v < value[name, who] : v > value[name, who]))
		value[name, who] = v
}

END {
	printf "%-46s %9s %-16s %9s %9s %7s %6s  %-5s  %s\n", "", "ADDS", "peer", "its", "ceiling", "ratio", "reach", "", "unit"
	for (i = 1; i <= names; i++) {
		name = order[i]
		seen = ""
		for (b = 1; b <= bars; b++)
			if (name ~ pattern[b]) {
				row(name, against[b], wanted[b])
				seen = seen "\n" against[b] "\n"
			}
		n = split(whos[name], other, "\n")
		for (k = 2; k <= n; k++) # measured, without a bar
			if (other[k] != "ADDS" && other[k] != "ceiling" && index(seen, "\n" other[k] "\n") == 0) {
				row(name, other[k], "")
				seen = seen "\n"
			}
		if (seen == "")
			row(name, "", "")
	}
	print rows ? "]" : "[]" >json
	printf "%s\n", short ? short " short of the bar" : "no bar missed"
}
