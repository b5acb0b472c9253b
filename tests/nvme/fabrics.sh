#!/usr/bin/env bash
# The kernel's NVMe target by nvme-loop and nvme-tcp: FUA and flushes go to the medium here, nodes are multipath
# heads, and nothing may be polled for.
# shellcheck source=tests/nvme/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

for series in 6.12 6.1; do
    if ! vm_need_kernel "$series"; then
        skip "linux-$series" "$REASON"
        continue
    fi
    # 6.1's cloud kernel has no nvme-loop.
    transports="loop tcp" MODULES="virtio-pci virtio-blk nvmet nvme-loop nvmet-tcp nvme-tcp"
    [[ $series == 6.1 ]] && transports=tcp
    echo "$transports" >"$WORK/transports"
    FILES=$WORK/transports
    vm_disk disk.img 1G
    virtio_disk disk.img
    vm_run "linux-$series-" fabrics.sh \
        "$BUILD/tests/integration/stress $BUILD/tests/integration/names" "" "${DISK[@]}"
    rm -f "$WORK/disk.img"
done
finish
