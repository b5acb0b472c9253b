#!/usr/bin/env bash
# The programs of client/examples do what they say; kvlog keeps every key it has acknowledged when the server is
# killed under it, and cuts off a torn record.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

EXAMPLES=$BUILD/client/examples
kvlog() { "$EXAMPLES/kvlog" "$@"; }

image=$WORK/examples.img
if ! make_image "$image" 256M || ! wtd_start "$image"; then
    not_ok examples-start "$REASON"
    finish
fi

# ---- copy --------------------------------------------------------------------------------------------

head -c 5000001 /dev/urandom >"$WORK/data"
succeeds copy-puts "$EXAMPLES/copy" put "$WORK/data" /data
succeeds copy-gets "$EXAMPLES/copy" get /data "$WORK/back"
succeeds copy-is-the-same cmp "$WORK/data" "$WORK/back"
refuses copy-says-what-is-missing 1 'No such file' "$EXAMPLES/copy" get /missing "$WORK/missing"
lines=$(sed -n '/^int main/,/^}/p' "$ROOT/client/examples/copy.c" | grep -c ';$')
((lines <= 10))
verdict copy-has-a-main-of-ten-lines $? "$lines statements"

# ---- async_writer ------------------------------------------------------------------------------------

run "$EXAMPLES/async_writer" /blocks 300
is async-writer-writes '300 blocks are durable' "$OUT"
# od writes a word a line: each block is 8192 times its number.
wtcli cat /blocks | od -v -An -t u8 -w8 | uniq -c | awk '$1 != 8192 || $2 != NR - 1 { bad = 1 } END { exit bad || NR != 300 }'
verdict async-writer-wrote-what-it-says $? 'other bytes'

# ---- kvlog -------------------------------------------------------------------------------------------

succeeds kvlog-puts kvlog /log put color blue
kvlog /log put shape round && kvlog /log put color green && kvlog /log delete shape
is kvlog-gets green "$(kvlog /log get color 2>&1)"
refuses kvlog-deletes 1 'No such file' kvlog /log get shape

: >"$WORK/acknowledged" # before it is counted, which the job in the background may not manage
kvlog /log fill 100000 key >"$WORK/acknowledged" 2>"$WORK/fill.err" &
fill=$!
end=$((SECONDS + READY_S))
while (($(wc -l <"$WORK/acknowledged") < 200 && SECONDS < end)); do sleep 0.05; done
wtd_kill
wait "$fill"
is kvlog-learns-that-the-server-is-gone 1 $?
count=$(wc -l <"$WORK/acknowledged")
if ! wtd_start "$image"; then
    not_ok examples-restart "$REASON"
    finish
fi
kvlog /log list | grep '^key\.' | sort >"$WORK/found"
lost=$(sort "$WORK/acknowledged" | comm -23 - "$WORK/found" | head -n 3)
((count >= 200)) && [[ -z $lost ]]
verdict kvlog-keeps-all-keys-when-the-server-is-killed $? "$count acknowledged; lost: $lost"
last=$(tail -n 1 "$WORK/acknowledged")
is kvlog-keeps-the-last-value "$last" "$(kvlog /log get "$last" 2>&1)"
is kvlog-keeps-the-first-value green "$(kvlog /log get color 2>&1)"

# A record that is cut short is no record, and what is put afterwards stands behind good ones.
kvlog /log put torn value
size=$(wtcli cat /log | wc -c)
wtcli truncate -s $((size - 3)) /log
run kvlog /log get torn
[[ $STATUS == 1 && $ERR == *'torn record of '*' bytes is cut off'* ]]
verdict kvlog-cuts-a-torn-record-off $? "exit $STATUS: $ERR"
kvlog /log put after tail
is kvlog-goes-on-behind-it tail "$(kvlog /log get after 2>&1)"
# A record whose bytes are wrong is none either.
printf 'xxxxxxxxxxxxxxxxxxxxxxxxxxxx' >"$WORK/junk"
{ wtcli cat /log && cat "$WORK/junk"; } >"$WORK/log" && "$EXAMPLES/copy" put "$WORK/log" /log
run kvlog /log get after
is kvlog-ignores-a-bad-checksum "tail 0" "$OUT $STATUS"
succeeds kvlog-has-nothing-to-cut-twice bash -c "[[ -z \$('$EXAMPLES/kvlog' /log list 2>&1 >/dev/null) ]]"

finish
