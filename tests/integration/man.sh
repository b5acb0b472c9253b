#!/usr/bin/env bash
# The man pages of wtd: they have the options of `wtd --help' and no others, their examples work, and `make
# install' puts every page where man finds it.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PAGE=$ROOT/server/wtd.8 CONF=$ROOT/server/wtd.conf.5

# examples FILE: what stands between `.Bd -literal' and `.Ed', as man shows it.
examples() { sed -n '/^\.Bd -literal/,/^\.Ed/{/^\.[BE]d/d;s/\\e/\\/g;p}' "$1"; }

# ---- options -----------------------------------------------------------------------------------------
in_help=$("$WTD" --help | sed -n 's/^  --\([a-z-]*\).*/\1/p' | sort)
in_page=$(sed -n '/^\.Sh OPTIONS/,/^\.Sh SIGNALS/s/^\.It Fl Fl \([a-z-]*\).*/\1/p' "$PAGE" | sort)
(($(wc -w <<<"$in_help") >= 12))
verdict help-has-options $? "$in_help"
is page-has-the-options-of-help "$in_help" "$in_page"
keys=$(grep -vxE 'config|help|version' <<<"$in_help")
is conf-has-the-keys "$keys" "$(sed -n 's/^\.It Cm \([a-z-]*\)$/\1/p' "$CONF" | sort)"
is example-has-the-keys "$keys" "$(sed -n 's/^#\([a-z-]*\) = .*/\1/p' "$ROOT/deploy/wtd.conf" | sort)"
# The defaults of the help stand in both pages.
missing=
while read -r name initial; do
    for page in "$PAGE" "$CONF"; do
        grep -A 12 -E "^\.It (Fl Fl|Cm) $name( |\$)" "$page" | grep -qF -- "$initial" || missing+=" $name"
    done
done <<<"$("$WTD" --help | tr '\n' ' ' | sed 's/  --/\n/g' | sed -n 's/^\([a-z-]*\).* (\([^ ]*\)) *$/\1 \2/p')"
is pages-have-the-defaults "" "$missing"

# ---- examples ----------------------------------------------------------------------------------------
# As they stand, in a shell with jobs, as somebody would type them.
mkdir "$WORK/wtd.8" "$WORK/wtd.conf.5"
{
    # shellcheck disable=SC2016  # for the inner shell
    echo 'trap '\''kill -KILL $(jobs -p) 2>/dev/null'\'' EXIT; set -e'
    examples "$PAGE"
    echo 'wait %1; wait %2; trap - EXIT'
} >"$WORK/example"
lines=$(examples "$PAGE" | grep -c .)
((lines >= 8))
verdict examples-are-found $? "$lines lines"
run env -C "$WORK/wtd.8" PATH="$BUILD:$PATH" bash -m "$WORK/example"
is examples-of-wtd 0 "$STATUS"
((STATUS == 0)) || echo "$OUT $ERR"
grep -q skel <<<"$OUT"
verdict examples-of-wtd-list $? "$OUT"

examples "$CONF" >"$WORK/wtd.conf.5/wtd.conf"
if (cd "$WORK/wtd.conf.5" && "$WTCLI" mkfs --size 64M wt.img >/dev/null); then
    cd "$WORK/wtd.conf.5" || exit 1
    export WT_SOCKET=./wt.sock
    WTD_LOG=$WORK/conf.log
    "$WTD" --config wtd.conf >"$WTD_LOG" 2>&1 </dev/null &
    WTD_PID=$!
    WTD_PIDS[$WTD_PID]=1
    wtd_ready
    verdict example-of-wtd.conf $? "$REASON"
    grep -q 'shards 2, cache 64 MiB, socket ./wt.sock' "$WTD_LOG"
    verdict example-of-wtd.conf-is-used $? "$(<"$WTD_LOG")"
    is example-of-wtd.conf-mode 600 "$(stat -c %a wt.sock)"
    wtd_stop
    is example-of-wtd.conf-stop 0 $?
    cd "$WORK" || exit 1
else
    not_ok example-of-wtd.conf "no volume"
fi

# ---- install -----------------------------------------------------------------------------------------
if [[ $BUILD != "$ROOT/build" ]]; then
    skip install-man "$BUILD is not what people install"
    finish
fi
TREE=$WORK/root
run make -s -C "$ROOT" install DESTDIR="$TREE"
is install-man 0 "$STATUS"
wanted=$(find "$ROOT/server" "$ROOT/client" -name '*.[1358]' -printf '%f\n' |
    sed 's|.*\.\([1358]\)$|man\1/&|' | sort)
is install-man-pages "$wanted" "$(cd "$TREE/usr/local/share/man" && find . -type f | sed 's|^./||' | sort)"
cmp -s "$ROOT/deploy/wtd.conf" "$TREE/usr/local/share/doc/wt/wtd.conf"
verdict install-example $?
if command -v man >/dev/null; then
    said=$(MANPATH=$TREE/usr/local/share/man man wtd.conf 2>&1 | head -n 5)
    grep -qi 'wtd.conf(5)' <<<"$said"
    verdict man-finds-it $? "$said"
else
    skip man-finds-it "there is no man here"
fi
run make -s -C "$ROOT" uninstall DESTDIR="$TREE"
is uninstall-man 0 "$STATUS"
is uninstall-man-leaves-nothing "" "$(find "$TREE" ! -type d; find "$TREE" -path '*doc/wt')"
finish
