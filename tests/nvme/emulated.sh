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
        [[ $series == 6.1 && $block == 4096 && -z ${NVME_FULL:-} ]] && continue
        vm_disk nvme.img 1G
        vm_run "linux-$series-block-$block-" job.sh "" "" \
            -drive "file=$WORK/nvme.img,if=none,id=d0,format=raw" \
            -device nvme,serial=wt0,id=nvme0 \
            -device "nvme-ns,drive=d0,logical_block_size=$block,physical_block_size=$block"
        rm -f "$WORK/nvme.img"
    done
done
finish
