#!/usr/bin/env bash
# The kernel's NVMe target by nvme-loop and nvme-tcp: FUA and flushes go to the medium here, nodes are multipath
# heads, and nothing may be polled for. The job, and scripts of tests/integration (full: all of ours on each).
# shellcheck source=tests/nvme/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# kernel, transport, scripts, in words. 6.1's cloud kernel has no nvme-loop.
combinations=("6.12 loop stress" "6.12 tcp names" "6.1 tcp names")
[[ -n $FULL ]] && combinations=("6.12 loop stress names" "6.12 tcp stress names" "6.1 tcp stress names")
MODULES="virtio-pci virtio-blk nvmet nvme-loop nvmet-tcp nvme-tcp"
for combination in "${combinations[@]}"; do
    read -r series transport scripts <<<"$combination"
    if ! vm_need_kernel "$series"; then
        skip "linux-$series-$transport" "$REASON"
        continue
    fi
    echo "$transport" >"$WORK/transport"
    echo "$scripts" >"$WORK/scripts"
    FILES="$WORK/transport $WORK/scripts"
    vm_disk disk.img 1G
    virtio_disk disk.img
    vm_run "linux-$series-$transport-" fabrics.sh \
        "$BUILD/tests/integration/stress $BUILD/tests/integration/names" "" "${DISK[@]}"
    rm -f "$WORK/disk.img"
done
finish
