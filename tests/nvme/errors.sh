#!/usr/bin/env bash
# A device that fails under a server: failing writes, dropped writes, a namespace that shrinks, is write-protected,
# is removed under load. The server says so, does not crash, and ends in order.
# shellcheck source=tests/nvme/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# kernel and transport, in words
combinations=("6.12 loop")
[[ -n $FULL ]] && combinations+=("6.12 tcp" "6.1 tcp")
for combination in "${combinations[@]}"; do
    read -r series transport <<<"$combination"
    if ! vm_need_kernel "$series"; then
        skip "linux-$series-$transport" "$REASON"
        continue
    fi
    MODULES="virtio-pci virtio-blk dm-mod dm-flakey nvmet nvme-loop nvmet-tcp nvme-tcp"
    echo "$transport" >"$WORK/transport"
    FILES=$WORK/transport
    vm_disk disk.img 512M
    vm_disk pulled.img 256M
    virtio_disk disk.img
    disks=("${DISK[@]}")
    nvme_disk pulled.img
    vm_run "linux-$series-$transport-" errors.sh "$(command -v dmsetup) $BUILD/tests/nvme/write_protect" "" \
        "${disks[@]}" "${DISK[@]}"
done
finish
