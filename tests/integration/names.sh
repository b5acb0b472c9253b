#!/usr/bin/env bash
# Names through libwt on a running server (names.c has the cases), and what a crash leaves of them.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

NAMES=$BUILD/tests/integration/names
image=$WORK/names.img
if ! make_image "$image" 128M || ! wtd_start "$image" --shards 3; then
    not_ok names-start "$REASON"
    finish
fi

part() { "$NAMES" "$@" || FAILED=1; }

part live
part before "$WTD_PID"
wtd_wait
wtd_start "$image" --shards 2 || { not_ok names-restart "$REASON"; finish; }
part after

wtd_stop
verdict names-stops-cleanly $? "$REASON"
run "$WTCLI" check "$image"
verdict names-volume-is-clean $STATUS "$OUT $ERR"
finish
