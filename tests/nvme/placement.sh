#!/usr/bin/env bash
# A guest of two NUMA nodes and with poll queues: where the shards' memory lies, and --iopoll.
# shellcheck source=tests/nvme/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

serieses=(6.12)
[[ -n $FULL ]] && serieses+=(6.1)
for series in "${serieses[@]}"; do
    if ! vm_need_kernel "$series"; then
        skip "linux-$series" "$REASON"
        continue
    fi
    vm_disk nvme.img 512M
    nvme_disk nvme.img
    VM_MEMORY=1024 vm_run "linux-$series-" placement.sh "" "nvme.poll_queues=1" \
        -object memory-backend-ram,id=m0,size=512M -object memory-backend-ram,id=m1,size=512M \
        -numa node,nodeid=0,cpus=0,memdev=m0 -numa node,nodeid=1,cpus=1,memdev=m1 "${DISK[@]}"
    rm -f "$WORK/nvme.img"
done
finish
