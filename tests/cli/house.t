# house.t - the rules of the house that a machine can see
. ./cli/lib.sh
src="$top/lib $top/kernels $top/cmd"

t 'lib and kernels neither print nor exit' 0 <<X
! grep -rnE --include='*.[ch]' --include='*.cu' --include='*.cuh' '[^a-z_](exit|abort|_exit|printf|puts|perror)\(|[^f]stderr' $top/lib $top/kernels | grep -vE 'snprintf|vsnprintf|fprintf\(f|fprintf\(s->f'
X
t 'kernels use nothing of lib but fail.h' 0 <<X
! grep -rn --include='*.[ch]' --include='*.cu' --include='*.cuh' '#include ".*lib/' $top/kernels | grep -v 'lib/fail.h'
X
t 'cmd includes neither zstd nor CUDA nor oneDNN' 0 <<X
! grep -rnE '#include <(zstd|cuda|cublas|oneapi)' $top/cmd
X
t 'the public library exports adds_ names only' 0 <<X
! nm -g --defined-only "$BUILD/libadds.a" 2>/dev/null | awk 'NF == 3 && \$3 !~ /^adds_|^__|^_GLOBAL|^\.|DW\.ref/ { print; bad = 1 } END { exit !bad }'
X
t 'the private library exports adds_ names only' 0 <<X
! nm -g --defined-only "$BUILD/libaddscore.a" 2>/dev/null | awk 'NF == 3 && \$3 !~ /^adds_|^__|^_GLOBAL|^\.|DW\.ref|^_ZTI|omp/ { print; bad = 1 } END { exit !bad }'
X
t 'the backends export backend_, cpu_, cuda_, resample_ names only' 0 <<X
! nm -g --defined-only "$BUILD/libkern.a" 2>/dev/null | awk 'NF == 3 && \$3 !~ /^backend_|^cpu_|^cuda_|^resampler?_|^__|^_GLOBAL|^\.|DW\.ref|omp|^_Z/ { print; bad = 1 } END { exit !bad }'
X
export top
t 'rooms know only rooms before them' 0 <<'X'
rooms='stream label picture text clip pyramid metric plot decoder ridge train score'
bad=0
for room in $rooms; do
	later=${rooms#*"$room"}
	for l in $later; do
		grep -ln "#include \"../$l/" "$top/lib/$room"/*.[ch] 2>/dev/null && bad=1
	done
done
exit $bad
X
export top
t 'no source is over 600 lines' 0 <<'X'
find $top/lib $top/kernels $top/cmd -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' | xargs wc -l | awk '$2 != "total" && $1 > 600 && $2 !~ /entities|codepoints/ { print; bad = 1 } END { exit bad }'
X
# characters, a tab to the next eighth; sentences in one piece can be searched for
t 'no line is over 130 columns, but for tables and sentences' 0 <<'X'
find $top/lib $top/kernels $top/cmd $top/tests -path $top/tests/emulated -prune -o \( -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' \) -print |
while read -r f; do
	LC_ALL=C tr -d '\200-\277' <"$f" | expand | awk -v f="$f" '
		/clang-format o(ff|n)/ { table = /off/ }
		length > 130 && !table && !(match($0, /"[^"]*/) && RLENGTH > 40) && gsub(/{[^{}]*}/, "") < 4 {
			print f ":" FNR
			bad = 1
		}
		END { exit bad }' || echo over >>long
done
[ ! -e long ]
X
t 'no function is over 50 lines' 0 <<'X'
find $top/lib $top/kernels $top/cmd $top/tests -name '*.[ch]' -o -name '*.cu' -o -name '*.cuh' -o -name '*.cc' | xargs awk '
	/^{/ { start = FNR }
	/^}/ && start { if (FNR - start + 1 > 50) { print FILENAME ":" start ": " FNR - start + 1; bad = 1 } start = 0 }
	END { exit bad }'
X
# other versions decide otherwise; CUDA's launches are no C to it
if clang-format --version 2>/dev/null | grep -q 'version 14\.'; then
	t 'C looks as .clang-format says' 0 <<'X'
(cd "$top" && find lib kernels cmd examples tests -path tests/emulated -prune -o -name '*.[ch]' -print |
	xargs -n 32 clang-format --dry-run -Werror 2>&1) | grep -a ': error:' | head -5 >looks
[ ! -s looks ] || { cat looks; exit 1; }
X
else
	skip 'C looks as .clang-format says: no clang-format 14 (apt-get install clang-format-14)'
fi
t 'adds.h compiles alone, as C and as C++' 0 <<X
echo '#include "$top/lib/adds.h"' >a.c && cc -std=c11 -Wall -Wextra -Werror -fsyntax-only a.c
if command -v c++ >/dev/null; then cp a.c a.cc && c++ -Wall -Wextra -Werror -fsyntax-only a.cc; fi
X
t 'the conformance suite calls every operation of the table' 0 <<'X'
sed -n '/^struct backend_ops/,/^};/p' "$top/kernels/kernels.h" | sed -n 's/^.*(\*\([a-z0-9_]*\))(struct backend \*b.*/\1/p' | grep -vx close >ops
[ "$(wc -l <ops)" -gt 50 ] || exit 1
while read -r op; do
	grep -q "ops->$op(" "$top"/tests/device/*.c || { echo "$op"; bad=1; }
done <ops
exit ${bad:-0}
X
done_
