#!/usr/bin/env bash
# wtcli dump: what it shows of a whole volume, of one that was not stopped cleanly, and of damaged ones, which
# is what it is for.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
command -v jq >/dev/null || { skip dump "no jq here"; finish; }

image=$WORK/a.img
if ! make_image "$image" 64M || ! wtd_start "$image"; then
    not_ok start "$REASON"
    finish
fi
wtcli mkdir /d
wtcli mkdir /d/sub
head -c 10000 /dev/urandom | wtcli put - /d/file
truncate -s 1M "$WORK/holes" && printf x | dd of="$WORK/holes" bs=1 seek=500000 conv=notrunc status=none
wtcli put "$WORK/holes" /d/holes
wtcli ln -s "some where" /d/link
wtcli ln /d/file "/d/"$'odd \033name'
wtcli chown 11:22 /d/file && wtcli chmod 4640 /d/file
run wtcli stat --json /d/file /d
ino=$(jq '.[0].ino' <<<"$OUT")
directory_ino=$(jq '.[1].ino' <<<"$OUT")
mtime=$(jq -r '.[0].mtime' <<<"$OUT")
refuses dump/served 1 "^wtcli: $image: .*in use" wtcli dump superblock "$image"
wtd_kill

json() { # json NAME FILTER WTCLI-ARGUMENT...
    local name=$1 filter=$2
    shift 2
    run wtcli dump --json "$@"
    ((STATUS == 0)) && jq -e "$filter" >/dev/null 2>&1 <<<"$OUT"
    verdict "$name" $? "exit $STATUS: $ERR ${OUT:0:600}"
}
before=$(cksum <"$image")
json superblock/json 'map(.kind + .copy + .state) == ["superblockfirstgood", "superblocksecondgood"] and .[0].size_bytes == 67108864
    and .[0].clean_stop == 0 and .[0].uuid == .[1].uuid' superblock "$image"
run wtcli dump superblock "$image"
[[ $OUT == *$'copy             second\n'*$'state            good\n'* ]]
verdict superblock/text $? "$OUT"
wtcli dump superblock "$image" | grep -q secret
is superblock/no-secret 1 $?
json inode/by-number ".[0] | .ino == $ino and .uid == 11 and .gid == 22 and .mode == \"4640\" and .nlink == 2 and .names == 2
    and .size_bytes == 10000 and .blocks == 3" inode "$image" "$ino"
# Not by jq, which has no 64-bit numbers.
[[ $OUT == *"\"mtime_ns\":${mtime/./}"* ]]
verdict inode/times $? "$OUT, wanted $mtime"
json inode/by-path ".[0].ino == $ino" inode "$image" /d/file
json inode/link '.[0].type == "symlink" and .[0].target == "some where"' inode "$image" /d/link
json inode/directory ".[0].entries == 5 and .[0].parent == 1" inode "$image" /d
json directory/by-path 'map(.name) == ["sub", "file", "holes", "link", "odd \u001bname"] and (map(.cookie) | . == sort)' \
    directory "$image" /d
json directory/by-number 'length == 5' directory "$image" "$directory_ino"
json directory/empty '. == []' directory "$image" /d/sub
json extents/file 'map(.blocks) | add == 3' extents "$image" /d/file
json extents/holes 'length == 1 and .[0].logical == 122 and .[0].unwritten == 0' extents "$image" /d/holes
json journal/blocks 'map(select(.kind == "block")) | length > 5 and (map(.sequence) | . == [range(.[0]; .[0] + length)])' \
    journal "$image"
json journal/end '.[-1] | .kind == "end" and .stop == "not clean" and .why != ""' journal "$image"
json journal/verbose "[.[] | select(.kind == \"item\" and .item == \"map\" and .ino == $ino) | .blocks] | add == 3" \
    journal -v "$image"
run wtcli dump journal -v "$image"
[[ $OUT == *"    item item=entry "*"name=file"* ]]
verdict journal/text $? "${OUT:0:300}"
is writes-nothing "$before" "$(cksum <"$image")"

# ---- bad input -------------------------------------------------------------------------------------
refuses bad/no-such-inode 1 "^wtcli: $image: there is no inode 4711$" wtcli dump inode "$image" 4711
refuses bad/no-such-path 1 "^wtcli: $image: /none: No such file or directory$" wtcli dump inode "$image" /none
refuses bad/number-too-large 1 "^wtcli: $image: .*No such file" wtcli dump inode "$image" 99999999999999999999
refuses bad/not-a-directory 1 "^wtcli: $image: inode $ino is not a directory$" wtcli dump directory "$image" "$ino"
refuses bad/not-a-file 1 "^wtcli: $image: inode $directory_ino is not a file$" wtcli dump extents "$image" /d
refuses bad/unknown-word 2 "^wtcli: dump: .nonsense. is none of superblock, inode" wtcli dump nonsense "$image"
refuses bad/no-operand 2 "dump: inode wants DEV and INO or PATH" wtcli dump inode "$image"
refuses bad/operand-too-many 2 "dump: journal wants DEV" wtcli dump journal "$image" 1
refuses bad/verbose-elsewhere 2 "dump: -v is for the journal" wtcli dump -v superblock "$image"
refuses bad/missing 1 "^wtcli: $WORK/none: No such file" wtcli dump superblock "$WORK/none"
: >"$WORK/empty"
refuses bad/empty-file 1 "^wtcli: $WORK/empty: " wtcli dump superblock "$WORK/empty"
truncate -s 64M "$WORK/blank"
refuses bad/not-a-volume 1 "no(t a)?( wt)?( good)? (volume|superblock)" wtcli dump superblock "$WORK/blank"
refuses bad/not-a-volume-journal 1 "not a wt volume" wtcli dump journal "$WORK/blank"

# ---- damage ----------------------------------------------------------------------------------------
damaged=$WORK/damaged.img
poke() { dd of="$damaged" bs=1 seek="$1" conv=notrunc status=none; } # poke OFFSET, bytes from standard input
fresh() { cp --sparse=always "$image" "$damaged"; }
field() { wtcli dump --json superblock "$image" | jq ".[0].$1"; }
journal_offset=$(field journal_offset)
start_position=$(field start_position)
metadata_offset=$(field metadata_offset)
segment_bytes=$(field segment_bytes)

fresh
printf 'garbage' | poke $((65536 + 200))
run wtcli dump superblock "$damaged"
[[ $STATUS == 1 && $OUT == *"state            its checksum is wrong"*"state            good"* &&
    $ERR == "wtcli: $damaged: the first superblock is bad: its checksum is wrong" ]]
verdict damage/first-superblock $? "exit $STATUS: $ERR"
succeeds damage/first-superblock-files wtcli dump inode "$damaged" /d/file
printf 'garbage' | poke $(((64 << 20) - (1 << 20) + 200))
refuses damage/both-superblocks 1 "the second superblock is bad: its checksum is wrong" wtcli dump superblock "$damaged"
refuses damage/both-superblocks-files 1 "both superblocks are bad" wtcli dump inode "$damaged" 1
fresh
# The third block of the journal: its place is what the first two fill.
third=$(wtcli dump --json journal "$image" | jq '.[2].position')
last=$(wtcli dump --json journal "$image" | jq '[.[] | select(.kind == "block")][-1].position')
printf 'garbage' | poke $((journal_offset + third + 100))
run wtcli dump journal "$damaged"
[[ $STATUS == 1 && $(grep -c ^block <<<"$OUT") == 2 && $OUT == *"why=there is a torn block: its checksum is wrong"* &&
    $ERR == *"is damaged: block "*" says it was durable" ]]
verdict damage/journal-middle $? "exit $STATUS: $ERR $OUT"
fresh
printf 'garbage' | poke $((journal_offset + last + 100))
run wtcli dump journal "$damaged"
[[ $STATUS == 0 && $OUT == *"why=there is a torn block: its checksum is wrong"* && -z $ERR ]]
verdict damage/journal-tail-is-none $? "exit $STATUS: $ERR"
fresh
printf 'garbage' | poke $((journal_offset + start_position + 100))
refuses damage/journal-start 1 "the first block, [0-9]+, is damaged" wtcli dump journal "$damaged"
refuses damage/journal-start-files 1 "." wtcli dump inode "$damaged" 1
# A checkpoint that cannot be read: the names that were read before it broke are shown.
wtd_start "$image" && wtd_stop
fresh
head -c "$segment_bytes" /dev/urandom | poke "$metadata_offset"
for what in "inode / " "directory / " "extents /d/file"; do
    # shellcheck disable=SC2086
    set -- $what
    run wtcli dump "$1" "$damaged" "$2"
    ((STATUS == 0 || STATUS == 1)) && (($(wc -l <<<"$ERR") <= 3))
    verdict "damage/segment/$1" $? "exit $STATUS: $ERR"
done

# Nothing makes it crash, hang or talk without end: the fuzzers' seeds put where they belong, then bytes at
# random. Each round runs every kind.
dump_all() { # dump_all: sets BAD to what crashed
    local what
    for what in "superblock $damaged" "journal -v $damaged" "inode $damaged 1" "directory $damaged /d" \
        "extents $damaged $ino"; do
        # shellcheck disable=SC2086
        timeout 20 "$WTCLI" dump $what >"$WORK/.dump" 2>&1
        STATUS=$?
        if ((STATUS > 1)); then
            BAD="dump $what: exit $STATUS: $(tail -n 3 "$WORK/.dump")"
            return 1
        fi
    done
}
BAD=
for seed in "$ROOT"/tests/fuzz/seeds/*superblock*/*; do
    [[ -f $seed ]] || continue
    fresh
    head -c 4096 "$seed" | poke 65536
    dump_all || { BAD="$seed: $BAD"; break; }
done
[[ -z $BAD ]]
verdict seeds/superblock $? "$BAD"
BAD=
for seed in "$ROOT"/tests/fuzz/seeds/*journal*/*; do
    [[ -f $seed ]] || continue
    fresh
    head -c 262144 "$seed" | poke $((journal_offset + start_position))
    dump_all || { BAD="$seed: $BAD"; break; }
done
[[ -z $BAD ]]
verdict seeds/journal $? "$BAD"
# Long form: DUMP_ROUNDS=1000.
RANDOM=${SEED:-1}
BAD=
for ((round = 0; round < ${DUMP_ROUNDS:-12}; round++)); do
    fresh
    for ((i = 0; i < 1 + round % 20; i++)); do
        # The superblock rarely: without it there is little to see.
        case $((RANDOM % 8)) in
        0) at=$((65536 + RANDOM % 256)) ;;
        1 | 2 | 3) at=$((metadata_offset + (RANDOM * 32768 + RANDOM) % (8 * segment_bytes))) ;;
        *) at=$((journal_offset + (RANDOM * 32768 + RANDOM) % 300000)) ;;
        esac
        # shellcheck disable=SC2059  # the byte is made by the format
        printf "\\x$(printf %02x $((RANDOM % 256)))" | poke "$at"
    done
    dump_all || { BAD="SEED=${SEED:-1}, round $round: $BAD"; break; }
done
[[ -z $BAD ]]
verdict random-damage $? "$BAD"
finish
