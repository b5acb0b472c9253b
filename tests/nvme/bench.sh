#!/usr/bin/env bash
# Passthrough against the block path on one emulated namespace. What is checked is that both work; the figures go
# to the log.
# shellcheck source=tests/nvme/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

if ! vm_need_kernel 6.12; then
    skip linux-6.12 "$REASON"
    finish
fi
echo "${FULL:+5}" >"$WORK/seconds"
[[ -n $FULL ]] || echo 1 >"$WORK/seconds"
FILES=$WORK/seconds
vm_disk nvme.img 512M
nvme_disk nvme.img
vm_run linux-6.12- bench.sh "" "" "${DISK[@]}"
finish
