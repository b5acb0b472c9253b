#!/usr/bin/env bash
# What README.md tells a newcomer to type, as it stands there: only places, sizes and durations are other ones.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

readme=$ROOT/README.md
socket=$SOCKETS/wt.sock

# ---- by hand -----------------------------------------------------------------------------------------
# The indented lines after `By hand:', without the `make'.
sed -n '/By hand:$/,/^## /s/^    //p' "$readme" | grep -vx make |
    sed -e "s|build/|$BUILD/|g" -e "s|/var/tmp/wt.img|$WORK/wt.img|g" -e "s|/tmp/wt.sock|$socket|g" \
        -e "s|/usr/include|$ROOT/deploy|g" -e 's|--size 1G|--size 128M|' \
        -e '/wtcli bench/s|$| --size 8M --time 1|' >"$WORK/by-hand"
is by-hand/lines 6 "$(grep -c . "$WORK/by-hand")"
{
    # shellcheck disable=SC2016  # for the inner shell
    echo 'trap '\''kill -TERM %1; wait %1'\'' EXIT; set -e'
    cat "$WORK/by-hand"
} >"$WORK/script"
run bash -m "$WORK/script"
is by-hand/works 0 "$STATUS"
((STATUS == 0)) || echo "$OUT $ERR"
grep -q install-deps <<<"$OUT"
verdict by-hand/lists $? "$OUT"

# ---- from C ------------------------------------------------------------------------------------------
# shellcheck disable=SC2016  # those are Markdown's
sed -n '/^```c$/,/^```$/{/^```/d;p}' "$readme" >"$WORK/program.c"
if [[ $BUILD != "$ROOT/build" ]]; then
    skip program/compiles "the library of $BUILD needs switches that a user does not give"
elif ! command -v cc >/dev/null; then
    skip program/compiles "there is no cc here"
else
    # As README has it: cc -Iinclude program.c build/libwt.a
    succeeds program/compiles cc -Wall -Wextra -Werror -I"$ROOT/include" -o "$WORK/program" "$WORK/program.c" "$BUILD/libwt.a"
    if wtd_start "$WORK/wt.img"; then
        succeeds program/runs "$WORK/program"
        is program/wrote hello "$("$WTCLI" cat /log)"
        wtd_stop
    else
        not_ok program/runs "$REASON"
    fi
fi

# ---- what is named is there ----------------------------------------------------------------------------
missing=
while read -r path; do
    [[ -e $ROOT/$path ]] || missing+=" $path"
done <<<"$(grep -o '](\([^)h][^)]*\))' "$readme" | sed 's/^](//; s/)$//')"
is links "" "$missing"
missing=
while read -r target; do
    make -C "$ROOT" -n "$target" >/dev/null 2>&1 || missing+=" $target"
done <<<"$(grep -oE '\bmake [a-z]+(-[a-z]+)?' "$readme" | sed 's/make //' | grep -E '^(quickstart|test.*|sim|fuzz|lint|bench.*|install|format)$' | sort -u)"
is make-targets "" "$missing"
# The limits are those of the header.
number() { sed -n "s/^#define $1 *(*\([0-9]*\).*/\1/p" "$ROOT/proto/limits.h"; }
grouped() { sed ':a;s/\B[0-9]\{3\}\>/,&/;ta' <<<"$1"; }
told=$(sed -n '/^## Limits/,/^## /p' "$readme")
page=$(sed -n '/^\.Sh LIMITS/,/^\.Sh SEC/p;/user-sessions/,/It Fl/p' "$ROOT/server/wtd.8")
for name in WT_NAME_BYTES_MAX WT_SYMLINKS_MAX WT_LINKS_MAX WT_SESSIONS_MAX WT_USER_SESSIONS_DEFAULT WT_GROUPS_MAX WT_HANDLES_MAX \
    WT_RING_ENTRIES_MAX WT_SOCKET_PATH_BYTES_MAX WT_SHARDS_MAX; do
    value=$(number "$name")
    [[ -n $value ]] && grep -qE "[ (]($value|$(grouped "$value"))[^0-9]" <<<"$told" &&
        grep -qE "(^|[^0-9])$value([^0-9]|$)" <<<"$page"
    verdict "limits/$name" $? "$value"
done
finish
