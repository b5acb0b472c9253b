#!/usr/bin/env bash
# libwt in the hands of programs: threads, forks, signals, event loops, a server that is killed. The programs print
# the cases themselves. LIBWT_PROGRAMS names another directory to take them from: those of build/tsan are built with
# the thread sanitizer, and run against the same wtd.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

PROGRAMS=${LIBWT_PROGRAMS:-$BUILD/tests/integration}

# program NAME [ARGUMENT]...: runs it and passes its cases on; one that fails without a case is a case itself.
program() {
    local name=$1 out status
    shift
    out=$("$PROGRAMS/$name" "$@" 2>"$WORK/$name.err")
    status=$?
    cat "$WORK/$name.err" >&2
    printf '%s\n' "$out"
    ((status == 0)) && return
    FAILED=1
    [[ $out == *'not ok'* ]] || not_ok "$name" "exit $status: $(tail -n 3 "$WORK/$name.err")"
}

image=$WORK/libwt.img
if ! make_image "$image" 512M || ! wtd_start "$image" --shards 2; then
    not_ok libwt-start "$REASON"
    finish
fi

program libwt_poll
program libwt_threads
program libwt_fork
program libwt_signals
# The last: it kills the server, on purpose.
program libwt_lost "$WTD_PID"
wtd_wait

finish
