# shellcheck shell=bash disable=SC2034
# What the scripts of the guest share. A case is a line on the serial console.
export WT_SOCKET=/tmp/wt.sock
ok() { echo "@ok $1"; }
not_ok() { echo "@not ok $1 - $(echo "${2:-it is not so}" | tr '\n' ' ')"; }
skip() { echo "@skip $1 - $2"; }
say() { echo "@say $*"; }
verdict() { if [ "$2" -eq 0 ]; then ok "$1"; else not_ok "$1" "${3:-}"; fi; }
# succeeds NAME COMMAND...
succeeds() {
    local name=$1
    shift
    if "$@" >/tmp/.out 2>&1; then ok "$name"; else not_ok "$name" "$(tail -n 3 /tmp/.out)"; fi
}
# refuses NAME PATTERN COMMAND...: fails, with words that match.
refuses() {
    local name=$1 pattern=$2
    shift 2
    if "$@" >/tmp/.out 2>&1; then
        not_ok "$name" "it succeeded"
    elif grep -Eqi -- "$pattern" /tmp/.out; then
        ok "$name"
    else
        not_ok "$name" "$(tail -n 3 /tmp/.out)"
    fi
}
# wait_for SECONDS COMMAND...
wait_for() {
    local left=$(($1 * 20))
    shift
    while ! "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ $left -gt 0 ] || return 1
        usleep 50000
    done
}
WTD_PID=
# wtd_start DEVICE [OPTION...]
wtd_start() {
    local device=$1
    shift
    wtd --device "$device" --socket $WT_SOCKET --cache 64M "$@" >/tmp/wtd.log 2>&1 &
    WTD_PID=$!
    wait_for 30 wtcli ping && return 0
    cat /tmp/wtd.log
    return 1
}
wtd_stop() {
    kill "$WTD_PID"
    wait "$WTD_PID"
}
wtd_kill() {
    kill -9 "$WTD_PID"
    wait "$WTD_PID" 2>/dev/null
}
