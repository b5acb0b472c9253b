#!/usr/bin/env bash
# The emulated controller of QEMU on both kernels, with blocks of 512 and of 4096 bytes: the job, and scripts of
# tests/integration (full: all of ours on each).
# shellcheck source=tests/nvme/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# kernel, bytes of a block, scripts, in words
combinations=("6.12 512 stress" "6.12 4096 names" "6.1 512 stress")
[[ -n $FULL ]] && combinations=("6.12 512 stress names" "6.12 4096 stress names" "6.1 512 stress names" "6.1 4096 stress names")
for combination in "${combinations[@]}"; do
    read -r series block scripts <<<"$combination"
    if ! vm_need_kernel "$series"; then
        skip "linux-$series-block-$block" "$REASON"
        continue
    fi
    echo "$scripts" >"$WORK/scripts"
    FILES=$WORK/scripts
    vm_disk nvme.img 1G
    nvme_disk nvme.img "logical_block_size=$block,physical_block_size=$block"
    vm_run "linux-$series-block-$block-" emulated.sh \
        "$BUILD/tests/integration/stress $BUILD/tests/integration/names" "" "${DISK[@]}"
    rm -f "$WORK/nvme.img"
done
finish
