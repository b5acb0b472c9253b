#!/usr/bin/env bash
# What is no namespace for a volume, or not the caller's, on both kernels: refused in words that name the cause
# and the mend, before anything is written.
# shellcheck source=tests/nvme/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

for series in 6.12 6.1; do
    if ! vm_need_kernel "$series"; then
        skip "linux-$series" "$REASON"
        continue
    fi
    vm_disk good.img 256M
    vm_disk small.img 32M
    vm_disk metadata.img 256M
    disks=()
    nvme_disk good.img && disks+=("${DISK[@]}")
    nvme_disk small.img && disks+=("${DISK[@]}")
    nvme_disk metadata.img ms=8 && disks+=("${DISK[@]}")
    vm_run "linux-$series-" bad_input.sh "" "" "${disks[@]}"
done
finish
