#!/usr/bin/env bash
# Many files: in one directory and over many, made, listed, looked up and removed; what an operation costs in a
# large directory beside a small one; memory for each file; the longest wait while checkpoints run; a start.
# Figures are printed for people (in the log, or at the terminal); only counts and memory are judged.
#
# SCALE_FILES (default 10000) and SCALE_WAIT (default 2 seconds): `make test-long` takes 1000000 and 20.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

FILES=${SCALE_FILES:-10000}
WAIT_S=${SCALE_WAIT:-2}
SCALE=$BUILD/tests/integration/scale
SMALL=1000
READY_S=$((READY_S + FILES / 20000))

# figures NAME COMMAND...: a case, and what it printed.
figures() {
    local name=$1
    shift
    run "$@"
    verdict "$name" "$STATUS" "$OUT $ERR"
    printf '%s\n' "$OUT" >&2
}

resident_kib() { awk '/^VmRSS:/ { print $2 }' "/proc/$WTD_PID/status"; }

image=$WORK/scale.img
size=8G # images fill half of the metadata area: 4 GiB take some 800,000 files
((FILES > 100000)) || size=256M
if ! make_image "$image" "$size" --sparse || ! wtd_start "$image" --shards 2; then
    not_ok scale-start "$REASON"
    finish
fi

before=$(resident_kib)
figures "$FILES-files-are-made" "$SCALE" create 1 "$FILES" 4
after=$(resident_kib)
printf 'memory: %d bytes a file\n' "$(((after - before) * 1024 / FILES))" >&2
# With few files the tables' first pages and the checkpoint's buffers weigh more.
(((after - before) * 1024 <= FILES * 300 + (8 << 20)))
verdict memory-a-file $? "$(((after - before) * 1024 / FILES)) bytes"
is statvfs-counts-them "$((FILES + 2))" "$(wtcli stats | awk '$1 == "files" { print $2 }')"
figures "each-of-$FILES-is-listed-once" "$SCALE" list 1 "$FILES"
figures "$FILES-files-are-looked-up" "$SCALE" lookup 1 "$FILES" 2

wtcli mkdir /small
for ((i = 0; i < SMALL; i++)); do printf '%s\n' "$i"; done >"$WORK/numbers"
mkdir "$WORK/small"
(cd "$WORK/small" && xargs touch <"$WORK/numbers")
succeeds small-directory wtcli put -r "$WORK/small" /
figures large-beside-small "$SCALE" ratio /many-0 /small 20

# Half a second at a time, so that the waits beside a checkpoint can be told from the others. The longest step of
# a shard is the part of a wait that is the server's own (and the scheduler's, where the shard did not run).
checkpoints() { awk '$1 == "checkpoints" { print $2 }' <<<"$stats"; }
bad=0
stats=$(wtcli stats)
for ((i = 0; i < 2 * WAIT_S; i++)); do
    rounds=$(checkpoints)
    run "$SCALE" wait 0.5
    ((STATUS == 0)) || bad=1
    stats=$(wtcli stats)
    OUT+=$'\n'$(awk 'sub("_longest_step_us", "", $1) {
        print "longest wait of 1 step-of-" $1 ": " $2 / 1000 " ms"; seen = 1 } END { exit !seen }' <<<"$stats") || bad=1
    beside=without
    (($(checkpoints) == rounds)) || beside=beside
    while read -r line; do printf '%s %s\n' "$beside" "$line"; done <<<"$OUT"
done >"$WORK/waits"
verdict waits-are-measured "$bad" "$(head -n 3 "$WORK/waits")"
awk '$2 == "longest" { key = $6 " " $1 " checkpoints"; if ($7 > longest[key]) longest[key] = $7 }
    END { for (key in longest) print "longest wait of a " key ": " longest[key] " ms" }' "$WORK/waits" | sort >&2

wtd_kill
begin=$EPOCHREALTIME
wtd_start "$image" --shards 2
verdict "$FILES-files-are-there-after-a-kill" $? "$REASON"
printf 'ready after %d ms\n' "$(((${EPOCHREALTIME/./} - ${begin/./}) / 1000))" >&2
figures "each-of-$FILES-is-still-listed-once" "$SCALE" list 1 "$FILES"
figures "$FILES-files-are-removed" "$SCALE" remove 1 "$FILES" 4
figures "$FILES-files-over-1000-directories" "$SCALE" create 1000 "$FILES" 4
figures list-over-1000-directories "$SCALE" list 1000 "$FILES"
wtd_stop
verdict scale-stops $? "$REASON"
run "$WTCLI" check "$image"
verdict scale-volume-is-clean $STATUS "$OUT $ERR"
finish
