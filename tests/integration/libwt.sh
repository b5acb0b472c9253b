#!/usr/bin/env bash
# libwt in the hands of programs: threads, forks, signals, event loops, a server that is killed. The programs print
# the cases themselves.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# program NAME [ARGUMENT]...: runs it and passes its cases on; one that fails without a case is a case itself.
program() {
    local name=$1 out status
    shift
    out=$("$BUILD/tests/integration/$name" "$@" 2>"$WORK/$name.err")
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

finish
