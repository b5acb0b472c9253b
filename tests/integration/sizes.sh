#!/usr/bin/env bash
# Volumes of all sizes: the smallest takes thousands of tiny files; 16 TiB and 1 EiB, sparse, are used at both
# ends, opened again and checked, in little memory.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

SCALE=$BUILD/tests/integration/scale
TINY=10000

resident_kib() { awk '/^VmRSS:/ { print $2 }' "/proc/$WTD_PID/status"; }

# The rest of a server's memory does not depend on the volume: cache, rings, buffers.
MEMORY_KIB=$((192 << 10))

# ---- 64 MiB ----
small=$WORK/small.img
if make_image "$small" 64M --sparse && wtd_start "$small"; then
    free=$(wtcli df | awk 'NR == 2 { print $4 }')
    succeeds "64M-takes-$TINY-tiny-files" "$SCALE" tiny 1 "$TINY" 4
    [[ $(wtcli df | awk 'NR == 2 { print $4 }') != "$free" ]]
    verdict 64M-df-moves $? "$(wtcli df)"
    succeeds 64M-lists-them "$SCALE" list 1 "$TINY"
    succeeds 64M-is-emptied "$SCALE" remove 1 "$TINY" 4
    # What was taken is free for who comes next, without a refusal that he sees.
    succeeds 64M-takes-them-again "$SCALE" tiny 1 "$TINY" 4
    succeeds 64M-is-emptied-again "$SCALE" remove 1 "$TINY" 4
    succeeds 64M-is-full-and-takes-what-fits "$SCALE" full 30
    wtd_stop
    run "$WTCLI" check "$small"
    verdict 64M-is-clean $STATUS "$OUT $ERR"
else
    not_ok 64M-start "$REASON"
fi
rm -f "$small"

# ---- as large as it gets ----

# The first data of a sparse file from 15/16 of it on: of the last partition's, or the superblock's copy.
far_data() {
    python3 -c 'import os, sys
file = os.open(sys.argv[1], os.O_RDONLY)
print(os.lseek(file, os.fstat(file).st_size // 16 * 15, os.SEEK_DATA))' "$1"
}

mkdir "$WORK/ends"
for ((i = 0; i < 40; i++)); do printf 'file %d' "$i" >"$WORK/ends/$i"; done

# far_end NAME IMAGE BYTES: a volume that is used where it begins and where it ends.
far_end() {
    local name=$1 image=$2 bytes=$3 at
    if ! make_image "$image" "$bytes" --sparse || ! wtd_start "$image" --shards 16; then
        not_ok "$name-start" "$REASON"
        return
    fi
    (($(resident_kib) < MEMORY_KIB))
    verdict "$name-in-little-memory" $? "$(resident_kib) KiB"
    # Inodes take the shards in turn, and each shard begins in its own sixteenth of the volume.
    succeeds "$name-takes-files" wtcli put -r "$WORK/ends" /
    wtd_kill 2>/dev/null
    at=$(far_data "$image")
    ((at < bytes - (2 << 20)))
    verdict "$name-uses-the-far-end" $? "nothing from 15/16 to $at"
    wtd_start "$image" --shards 1
    verdict "$name-opens-again" $? "$REASON"
    run wtcli get -r /ends "$WORK/ends.$name"
    diff -r "$WORK/ends" "$WORK/ends.$name" >"$WORK/diff" 2>&1
    verdict "$name-reads-back" $? "$(head -n 2 "$WORK/diff")"
    wtd_stop
    verdict "$name-stops" $? "$REASON"
    run "$WTCLI" check "$image"
    verdict "$name-is-clean" $STATUS "$OUT $ERR"
    run "$WTCLI" info "$image"
    verdict "$name-info" $STATUS "$OUT $ERR"
    rm -f "$image"
}

# A file of ext4 ends a block before 16 TiB.
largest=$(((16 << 40) - 4096))
if truncate -s "$largest" "$WORK/probe" 2>/dev/null; then
    rm -f "$WORK/probe"
    far_end 16T "$WORK/large.img" "$largest"
else
    skip 16T-volume "this file system holds no file of 16 TiB"
fi

xfs=$WORK/xfs
mkdir "$xfs"
truncate -s 8G "$WORK/xfs.img"
if ! command -v mkfs.xfs >/dev/null; then
    skip 1E-volume "no mkfs.xfs here (xfsprogs)"
elif ! mkfs.xfs -q "$WORK/xfs.img" 2>"$WORK/.err" || ! mount -o loop "$WORK/xfs.img" "$xfs" 2>"$WORK/.err"; then
    skip 1E-volume "XFS cannot be mounted here: $(head -n 1 "$WORK/.err")"
else
    trap 'umount -l "$xfs"; cleanup' EXIT
    far_end 1E "$xfs/exbi.img" "$((1 << 60))"
fi
finish
