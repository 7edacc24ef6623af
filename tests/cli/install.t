# install.t - install and uninstall leave nothing behind
. ./cli/lib.sh
variant=$(basename "$BUILD")
case $variant in
release) ;;
*) skip "install: only with the release build"; done_; exit 0 ;;
esac
t 'make install puts programs, library, manual and data in place' 0 <<X
MAKEFLAGS= make -s -C "$top" CUDA="${CUDA:-auto}" PREFIX=/usr DESTDIR="$scratch/root" install >/dev/null
[ -x root/usr/bin/adds-cat ] && [ -f root/usr/include/adds.h ] && [ -f root/usr/lib/pkgconfig/adds.pc ] &&
[ -f root/usr/share/man/man5/adds.5 ] && [ -f root/usr/share/adds/bpe_simple_vocab_16e6.txt.gz ]
X
has err '*'
t 'the installed library and header compile the example reader' 0 <<X
PKG_CONFIG_PATH="$scratch/root/usr/lib/pkgconfig" pkg-config --define-variable=prefix="$scratch/root/usr" --static --cflags --libs adds >flags &&
printf '#include <adds.h>\nint main(void) { return !*adds_version(); }\n' >v.c && cc v.c \$(cat flags) -o v && ./v
X
t 'make uninstall leaves no file' 0 <<X
MAKEFLAGS= make -s -C "$top" CUDA="${CUDA:-auto}" PREFIX=/usr DESTDIR="$scratch/root" uninstall >/dev/null && [ -z "\$(find root -type f)" ]
X
has err '*'
done_
