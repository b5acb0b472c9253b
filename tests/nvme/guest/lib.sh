# shellcheck shell=bash disable=SC2034
# What the scripts of the guest share. A case is a line on the serial console.
export WT_SOCKET=/tmp/wt.sock
# PREFIX stands before the names of the cases.
PREFIX=
ok() { echo "@ok $PREFIX$1"; }
not_ok() { echo "@not ok $PREFIX$1 - $(echo "${2:-it is not so}" | tr '\n' ' ')"; }
skip() { echo "@skip $PREFIX$1 - $2"; }
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
    local end=$((SECONDS + $1))
    shift
    until "$@" >/dev/null 2>&1; do
        [ $SECONDS -lt $end ] || return 1
        usleep 50000
    done
}
# A command to the server, which may be slow to answer where the whole machine is emulated.
client() { wtcli --reconnect 30 "$@"; }
WTD_PID=
# wtd_start DEVICE [OPTION...]
wtd_start() {
    local device=$1
    shift
    wtd --device "$device" --socket $WT_SOCKET --cache 64M "$@" >/tmp/wtd.log 2>&1 &
    WTD_PID=$!
    local end=$((SECONDS + 60))
    until wtcli ping >/dev/null 2>&1; do
        kill -0 $WTD_PID 2>/dev/null && [ $SECONDS -lt $end ] || return 1
        usleep 50000
    done
}
# wtd_stop: SIGTERM; gives the exit status.
wtd_stop() {
    kill "$WTD_PID"
    wait "$WTD_PID"
}
wtd_kill() {
    kill -9 "$WTD_PID"
    wait "$WTD_PID" 2>/dev/null
}

# run_integration DEVICE SCRIPT...: scripts of tests/integration, as they are; their image is the device.
run_integration() {
    local device=$1 script
    shift
    export TEST_DEVICE=$device READY_S=60
    mkdir -p /src/tests/integration /build/tests/integration
    ln -sf /bin/wtd /bin/wtcli /build/
    ln -sf /bin/stress /bin/names /build/tests/integration/
    {
        cat /tests/integration/lib.sh
        echo 'make_image() {
            local path=$1
            shift 2
            REASON=$(wtcli mkfs --force "$@" "$TEST_DEVICE" 2>&1) && ln -sf "$TEST_DEVICE" "$path"
        }'
    } >/src/tests/integration/lib.sh
    for script; do
        cp "/tests/integration/$script.sh" /src/tests/integration/
        BUILD=/build TMPDIR=/tmp bash "/src/tests/integration/$script.sh" >/tmp/script.out 2>/tmp/script.err </dev/null ||
            cat /tmp/script.err
        sed "s/^\\(ok\\|not ok\\|skip\\) /@&$PREFIX/" /tmp/script.out
    done
}
