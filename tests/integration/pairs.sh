#!/usr/bin/env bash
# Every call on names, on every path and pair of paths of a small tree, on wt and on the kernel's file system:
# pairs.c.
#
# PAIRS_STEP (default 200): every so many pairs of paths; `make test-long` takes 10.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

STEP=${PAIRS_STEP:-200}
if ((EUID != 0)); then
    skip pairs "needs root, which makes files of several users"
    finish
fi
if [[ $(stat -f -c %T "$WORK") != ext2/ext3 ]]; then
    skip pairs "$WORK is not on ext4"
    finish
fi
image=$WORK/pairs.img
mkdir "$WORK/kernel"
if ! make_image "$image" 128M || ! wtd_start "$image" --shards 2 --socket-mode 0666; then
    not_ok pairs-start "$REASON"
    finish
fi
"$BUILD/tests/integration/pairs" "$WORK/kernel" "$STEP" "$((RANDOM % STEP))" 2>"$WORK/differences" || FAILED=1
head -n "${PAIRS_SHOWN:-20}" "$WORK/differences" >&2
wtd_stop
verdict pairs-stops-cleanly $? "$REASON"
run "$WTCLI" check "$image"
verdict pairs-volume-is-clean $STATUS "$OUT $ERR"
finish
