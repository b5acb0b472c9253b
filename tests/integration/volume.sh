#!/usr/bin/env bash
# One volume over many lives: other numbers of shards, a wrapped journal, full and empty and full again, many
# small files and a large sparse one through a small cache, and a server that costs nothing when idle.
#
# TREE_FILES (default 5000): `make test-long` takes 100000.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

FILES=${TREE_FILES:-5000}

# make_tree DIR COUNT: small files of all sizes to 12 KiB, 100 a directory.
make_tree() {
    mkdir -p "$1"
    awk -v dir="$1" -v count="$2" 'BEGIN {
        for (i = 0; i < 12288; i++) text = text sprintf("%c", 97 + (i * 7) % 26)
        for (i = 0; i < count; i++) {
            sub_dir = dir "/d" int(i / 100)
            if (i % 100 == 0) system("mkdir -p " sub_dir)
            file = sub_dir "/f" i
            printf "%d%s", i, substr(text, 1, (i * 7919) % 12288) > file
            close(file)
        } }'
}

image=$WORK/volume.img
if ! make_image "$image" 5G --sparse || ! wtd_start "$image" --shards 2; then
    not_ok volume-start "$REASON"
    finish
fi

make_tree "$WORK/tree" "$FILES"
succeeds tree-goes-in wtcli put -r "$WORK/tree" /tree
succeeds tree-comes-out wtcli get -r /tree "$WORK/back"
diff -r "$WORK/tree" "$WORK/back" >"$WORK/diff" 2>&1
verdict "$FILES-files-are-equal" $? "$(head -n 2 "$WORK/diff")"
rm -rf "$WORK/back"

truncate -s 4G "$WORK/sparse"
for at in 0 1 999 524288 1048575; do
    printf 'here %s' "$at" | dd of="$WORK/sparse" bs=4096 seek="$at" conv=notrunc status=none
done
succeeds sparse-goes-in wtcli put "$WORK/sparse" /sparse
succeeds sparse-comes-out wtcli get /sparse "$WORK/sparse.back"
cmp "$WORK/sparse" "$WORK/sparse.back" >"$WORK/diff" 2>&1
verdict four-gib-sparse-file-is-equal $? "$(cat "$WORK/diff")"
rm -f "$WORK/sparse.back"

for shards in 1 3 2; do
    wtd_stop
    verdict "stops-before-$shards-shards" $? "$REASON"
    wtd_start "$image" --shards "$shards" || { not_ok "opens-with-$shards-shards" "$REASON"; finish; }
    run wtcli get -r /tree/d7 "$WORK/back"
    diff -r "$WORK/tree/d7" "$WORK/back" >"$WORK/diff" 2>&1
    verdict "reads-back-with-$shards-shards" $? "$ERR $(head -n 2 "$WORK/diff")"
    rm -rf "$WORK/back"
done

succeeds tree-is-removed wtcli rm -r /tree /sparse
wtd_stop
run wtcli check "$image"
verdict volume-is-clean $STATUS "$OUT $ERR"

# A small volume: its journal of 1 MiB wraps many times, and it is filled three times.
small=$WORK/small.img
if ! make_image "$small" 64M || ! wtd_start "$small" --shards 2; then
    not_ok small-start "$REASON"
    finish
fi
free() { wtcli df | awk 'NR == 2 { print $4 }'; }
before=$(free)
for round in 1 2 3; do
    head -c 100M /dev/urandom >"$WORK/big"
    run wtcli put "$WORK/big" /big
    ((STATUS == 1)) && grep -qi 'no space' <<<"$ERR"
    verdict "full-is-told-$round" $? "exit $STATUS: $ERR"
    succeeds "removing-works-when-full-$round" wtcli rm /big
done
sleep 0.5
is space-comes-back "$before" "$(free)"
make_tree "$WORK/few" 300
wraps=0
for round in $(seq 20); do
    run wtcli put -r "$WORK/few" "/few$round"
    ((STATUS == 0)) || break
    run wtcli rm -r "/few$round"
    ((STATUS == 0)) || break
    wraps=$round
done
is journal-wraps 20 "$wraps"
wtcli put -r "$WORK/few" /few >/dev/null
wtd_kill
wtd_start "$small" --shards 3 || { not_ok small-reopens "$REASON"; finish; }
run wtcli get -r /few "$WORK/few.back"
diff -r "$WORK/few" "$WORK/few.back" >"$WORK/diff" 2>&1
verdict small-volume-survives-sigkill $? "$ERR $(head -n 2 "$WORK/diff")"

# Ten connected clients that sleep.
cpu_ms() { awk '{ print ($14 + $15) * 10 }' "/proc/$WTD_PID/stat"; }
"$BUILD/tests/integration/sleepers" 10 13 &
sleepers=$!
sleep 1.5
start=$(cpu_ms)
sleep 10
used=$(($(cpu_ms) - start))
((used < 20))
verdict idle-uses-no-cpu $? "$used ms in ten seconds"
wait "$sleepers"
verdict sleepers-were-connected $? "exit $?"

wtd_stop
verdict small-stops $? "$REASON"
run wtcli check "$small"
verdict small-volume-is-clean $STATUS "$OUT $ERR"
finish
