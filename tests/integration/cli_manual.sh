#!/usr/bin/env bash
# wtcli(1): it has the commands and options of --help and no others, and its examples work as they stand there.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

page=$ROOT/client/cli/wtcli.1
commands() { "$WTCLI" --help | sed -n 's/^  \([a-z]*\) .*/\1/p' | LC_ALL=C sort -u; }
is commands "$(commands)" "$(sed -n 's/^\.It Ic \([a-z]*\).*/\1/p' "$page" | LC_ALL=C sort -u)"
for command in $(commands); do
    # What --help says of the command, but for what every command has, stands in its item of the page.
    item=$(sed -n "/^\.It Ic $command\( \|\$\)/,/^\.\(It Ic\|El\)/p" "$page")
    [[ $command =~ ^(put|get|cp)$ ]] && item=$(sed -n '/^\.It Ic put/,/^\.It Ic cat/p' "$page")
    missing=
    while read -r option; do
        long=${option##*--}
        if [[ $option == *--* ]]; then
            grep -Eq -- "Fl Fl $long( |\$)" <<<"$item" || missing+=" --$long"
        else
            grep -Eq -- "Fl [a-zA-Z0-9]*${option#-}" <<<"$item" || missing+=" $option"
        fi
    done < <("$WTCLI" "$command" --help | grep -Eo '^  -[-a-zA-Z0-9, ]*[a-z0-9]' | sed 's/ [A-Z].*//; s/^ *//; s/  .*//' |
        grep -Ev -- '--(socket|reconnect|quiet|help|version)')
    is "options/$command" "" "$missing"
done
for option in socket reconnect quiet help version; do
    grep -q "Fl Fl $option" "$page"
    verdict "options/--$option" $?
done
if command -v mandoc >/dev/null; then
    run mandoc -Tlint -Wwarning "$page"
    is page/mandoc "" "$(grep -v 'wtcli.1:.*\(STYLE\|cannot find\)' <<<"$OUT")"
fi

# Each example by itself, in order, on a server of its own; the one with dump after its end.
cd "$WORK" || exit 1
mkdir photos && echo 1 >photos/one && echo 2 >"photos/two words" && truncate -s 1M photos/hole
PATH=$(dirname "$WTCLI"):$PATH
count=$(grep -c '^\.Bd -literal' "$page")
for ((n = 1; n <= count; n++)); do
    text=$(awk -v n="$n" '/^\.Bd -literal/ { i++; inside = 1; next } /^\.Ed/ { inside = 0 } inside && i == n' "$page")
    if ((n == count)); then
        wtd_stop
    fi
    if [[ $text == *jq* ]] && ! command -v jq >/dev/null; then
        skip "example/$n" "no jq here"
        continue
    fi
    succeeds "example/$n" bash -euo pipefail -c "$text"
    if ((n == 1)) && ! wtd_start volume.img; then
        not_ok start "$REASON"
        finish
    fi
done
[[ $OUT == "extent logical=0 "* ]]
verdict example/last-says-where $? "$OUT"
finish
