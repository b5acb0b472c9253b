#!/usr/bin/env bash
# What a program that uses wt gets: the calls of wt.h and no other names, a header that every compiler takes, and
# after `make install` a library that pkg-config finds.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

CC=${CC:-cc}
HEADER=$ROOT/include/wt.h
SHARED=$BUILD/libwt.so

# same NAME FILE FILE: ok when they have the same lines.
same() {
    local difference
    difference=$(diff "$2" "$3")
    verdict "$1" $? "$(head -n 5 <<<"$difference")"
}

# ---- names -------------------------------------------------------------------------------------------

# Comments out, then the identifier before the first parenthesis of each declaration.
grep -v '^#' "$HEADER" | tr '\n' ' ' | sed 's|/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/||g' | grep -o 'WT_EXPORT[^;(]*(' |
    sed 's/ *($//; s/.*[ *]//' | sort >"$WORK/header"
sed -n 's/^ *\(wt_[a-z0-9_]*\);$/\1/p' "$ROOT/client/lib/libwt.map" | sort >"$WORK/map"
nm -D --defined-only "$SHARED" | sed -n 's/.* T //p' | sort >"$WORK/bound"
sed 's/@.*//' "$WORK/bound" >"$WORK/library"
(($(wc -l <"$WORK/header") > 50))
verdict header-declares-calls $? "only $(wc -l <"$WORK/header") found"
same map-has-the-calls-of-the-header "$WORK/header" "$WORK/map"
same library-has-the-calls-of-the-header "$WORK/header" "$WORK/library"
sed 's/$/@@WT_0.1/' "$WORK/header" >"$WORK/versioned"
same calls-are-bound-to-their-version "$WORK/versioned" "$WORK/bound"
# The archive is not cut down to the map: what else is visible there must at least be in our name space.
foreign=$(nm -g --defined-only "$BUILD/libwt.a" | awk 'NF == 3 && $3 !~ /^(wt|wtc)_/ { print $3 }' | grep -v '^__odr_asan' | head -n 5)
is archive-defines-no-foreign-names '' "$foreign"
is soname libwt.so.0 "$(readelf -d "$SHARED" | sed -n 's/.*SONAME.*\[\(.*\)\]/\1/p')"

# ---- the header --------------------------------------------------------------------------------------

cat >"$WORK/first.c" <<'EOF'
#include <wt.h>
struct wt_options options = WT_OPTIONS_INIT;
EOF
cat >"$WORK/options.cc" <<'EOF'
#include <wt.h>
int main()
{
    struct wt_options options = WT_OPTIONS_INIT;
    struct wt *session;
    return wt_connect(nullptr, &options, &session) == 0;
}
EOF
succeeds header-is-strict-c11 "$CC" -std=c11 -Wall -Wextra -pedantic -Werror -I"$ROOT/include" -c -o "$WORK/first.o" "$WORK/first.c"
succeeds header-is-gnu99 "$CC" -std=gnu99 -Wall -Wextra -pedantic -Werror -I"$ROOT/include" -c -o "$WORK/first.o" "$WORK/first.c"
if command -v c++ >/dev/null; then
    succeeds header-is-cpp c++ -std=c++11 -Wall -Wextra -pedantic -Werror -I"$ROOT/include" -o "$WORK/cpp" "$WORK/options.cc" "$BUILD/libwt.a" -pthread
else
    skip header-is-cpp "there is no C++ compiler here"
fi

# ---- the man pages -----------------------------------------------------------------------------------

MAN=$ROOT/client/lib/man
# Both as `type name(argument,argument)`, without the spaces that mean nothing.
tidied() { sed 's/ *\([*(),]\) */\1/g' | sort; }
grep -v '^#' "$HEADER" | tr '\n' ' ' | sed 's|/\*[^*]*\*\+\([^/*][^*]*\*\+\)*/||g' | tr -s ' ' |
    grep -o 'WT_EXPORT [^;]*;' | sed 's/^WT_EXPORT //; s/;$//' | tidied >"$WORK/declared"
sed -n '/^\.Sh SYNOPSIS/,/^\.Sh DESCRIPTION/p' "$MAN"/*.3 | awk '
    /^\.Ft / { type = substr($0, 5) }
    /^\.Fn / { line = substr($0, 5); name = $2; sub(/^[^ ]* /, "", line)
               gsub(/" "/, ",", line); gsub(/"/, "", line); print type " " name "(" line ")" }' | tidied >"$WORK/documented"
same man-pages-declare-what-the-header-does "$WORK/declared" "$WORK/documented"
missing=$(while read -r call; do [[ -f $MAN/$call.3 ]] || echo "$call"; done <"$WORK/header")
is each-call-has-a-man-page '' "$missing"
wrong=$(grep -l '^\.so ' "$MAN"/*.3 | while read -r page; do
    target=$MAN/$(sed 's|^\.so man3/||' "$page")
    grep -qs "^\.Nm $(basename "$page" .3)\( ,\)\?$" "$target" || echo "$page"
done)
is links-lead-to-the-page-of-the-call '' "$wrong"
# Between .Bd and .Ed, with the backslashes of C doubled by \e.
sed -n '/^\.Bd -literal/,/^\.Ed/p' "$MAN/libwt.3" | sed '/^\./d; s/\\e/\\/g' >"$WORK/example.c"
succeeds example-of-the-man-page-compiles "$CC" -Wall -Wextra -Werror -I"$ROOT/include" -o "$WORK/example" "$WORK/example.c" "$BUILD/libwt.a" -pthread

# ---- installed ---------------------------------------------------------------------------------------

# Sanitizers and canaries are built into directories that are never installed from.
if [[ $BUILD != "$ROOT/build" ]]; then
    skip install "$BUILD is not what people install"
    finish
fi
TREE=$WORK/root
succeeds install make -s -C "$ROOT" install DESTDIR="$TREE"
export PKG_CONFIG_PATH=$TREE/usr/local/lib/pkgconfig PKG_CONFIG_SYSROOT_DIR=$TREE
cat >"$WORK/main.c" <<'EOF'
#include <stdio.h>
#include <wt.h>
int main(void)
{
    struct wt *session;
    int rc = wt_connect("/nonexistent", NULL, &session);
    printf("%s %s\n", wt_version(), rc < 0 ? wt_connect_error() : "connected");
    wt_disconnect(session);
    return 0;
}
EOF
said="$(sed -n 's/^VERSION := //p' "$ROOT/Makefile") /nonexistent: No such file or directory (is wtd running?)"
is pkg-config-version "${said%% *}" "$(pkg-config --modversion wt 2>&1)"
# shellcheck disable=SC2046  # words are what is wanted
succeeds pkg-config-links "$CC" -o "$WORK/dynamic" "$WORK/main.c" $(pkg-config --cflags --libs wt)
is installed-library-runs "$said" "$(LD_LIBRARY_PATH=$TREE/usr/local/lib "$WORK/dynamic" 2>&1)"
is program-needs-the-soname libwt.so.0 "$(readelf -d "$WORK/dynamic" | sed -n 's/.*NEEDED.*\[\(libwt.*\)\]/\1/p')"
# shellcheck disable=SC2046
succeeds pkg-config-links-statically "$CC" -static -o "$WORK/static" "$WORK/main.c" $(pkg-config --cflags --static --libs wt)
is static-program-runs "$said" "$("$WORK/static" 2>&1)"
is installed-man-pages "$(find "$MAN" -name '*.3' | wc -l)" "$(find "$TREE" -path '*/man3/*.3' | wc -l)"
succeeds uninstall make -s -C "$ROOT" uninstall DESTDIR="$TREE"
is uninstall-leaves-no-file '' "$(find "$TREE" -type f -o -type l)"

finish
