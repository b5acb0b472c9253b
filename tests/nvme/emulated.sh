#!/usr/bin/env bash
# The emulated controller of QEMU on both kernels: blocks of 512 and of 4096 bytes.
# shellcheck source=tests/nvme/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

for series in 6.12 6.1; do
    if ! vm_need_kernel "$series"; then
        skip "linux-$series" "$REASON"
        continue
    fi
    for block in 512 4096; do
        [[ $series == 6.1 && $block == 4096 && -z $FULL ]] && continue
        vm_disk nvme.img 1G
        nvme_disk nvme.img "logical_block_size=$block,physical_block_size=$block"
        vm_run "linux-$series-block-$block-" emulated.sh \
            "$BUILD/tests/integration/stress $BUILD/tests/integration/names" "" "${DISK[@]}"
        rm -f "$WORK/nvme.img"
    done
done
finish
