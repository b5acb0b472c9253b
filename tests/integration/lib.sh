# shellcheck shell=bash disable=SC2034,SC2119,SC2120  # variables and optional arguments for those who read this
# Helpers for the scripts beside this file, which read it with `.`:
#
#   #!/usr/bin/env bash
#   . "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
#   make_image "$WORK/a.img" 128M && wtd_start "$WORK/a.img" || { not_ok start "$REASON"; finish; }
#   succeeds mkdir wtcli mkdir /d
#   finish
#
# BUILD names the build directory (default: build). $WORK is a temporary directory on the build's disk, so
# that O_DIRECT works; sockets lie in $SOCKETS, for their paths must stay under 108 bytes. Both are removed at
# the end, and every wtd started here is killed, by its id.
set -uo pipefail
export LC_ALL=C
unset WT_SOCKET

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
BUILD=$(cd "${BUILD:-$ROOT/build}" && pwd -P) || exit 1
WTD=${WTD:-$BUILD/wtd}
WTCLI=${WTCLI:-$BUILD/wtcli}
for program in "$WTD" "$WTCLI"; do
    [[ -x $program ]] || { printf 'not ok %s - is not built\n' "$program" && exit 1; }
done
# Ready within 10 s is promised; sanitizers and a busy machine get more.
READY_S=${READY_S:-20}

WORK=$(mktemp -d "${TMPDIR:-$BUILD}/it.XXXXXX") || exit 1
SOCKETS=$(mktemp -d /tmp/wt-it.XXXXXX) || exit 1
chmod 755 "$WORK" "$SOCKETS"
REASON=          # why the last helper failed
WTD_PID=         # of the server that wtd_start started last
WTD_LOG=         # what it said
declare -A WTD_PIDS=()
FAILED=0

cleanup() {
    local pid
    for pid in "${!WTD_PIDS[@]}"; do
        kill -CONT "$pid" 2>/dev/null
        kill -KILL "$pid" 2>/dev/null
        wait "$pid" 2>/dev/null
    done
    rm -rf "$WORK" "$SOCKETS"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

# One line a case. A reason of several lines becomes one.
ok() { printf 'ok %s\n' "$1"; }
not_ok() {
    FAILED=1
    printf 'not ok %s - %s\n' "$1" "$(tr '\n' ' ' <<<"${2:-it is not so}")"
}
# verdict NAME STATUS [REASON]: ok when the status is 0. For `condition; verdict name $? "what was seen"`.
verdict() { if (($2 == 0)); then ok "$1"; else not_ok "$1" "${3:-}"; fi; }
skip() { printf 'skip %s - %s\n' "$1" "${2:-}"; }

# The last line of a script.
finish() { exit "$FAILED"; }

wtcli() { "$WTCLI" "$@"; }

# run COMMAND...: sets STATUS, OUT and ERR.
run() {
    "$@" >"$WORK/.out" 2>"$WORK/.err"
    STATUS=$?
    # NUL bytes would draw a warning from bash.
    OUT=$(tr -d '\0' <"$WORK/.out")
    ERR=$(tr -d '\0' <"$WORK/.err")
}

# succeeds NAME COMMAND...: a case that is `ok` when the command exits 0.
succeeds() {
    local name=$1
    shift
    run "$@"
    if ((STATUS == 0)); then ok "$name"; else not_ok "$name" "exit $STATUS: $ERR"; fi
}

# refuses NAME STATUS PATTERN COMMAND...: ok when the command exits so, standard error matches the extended
# pattern, and is at most 3 lines.
refuses() {
    local name=$1 status=$2 pattern=$3
    shift 3
    run "$@"
    if ((STATUS != status)); then
        not_ok "$name" "exit $STATUS instead of $status: $ERR"
    elif ! grep -Eqi -- "$pattern" <<<"$ERR"; then
        not_ok "$name" "no /$pattern/ in: $ERR"
    elif (($(wc -l <<<"$ERR") > 3)); then
        not_ok "$name" "more than 3 lines: $ERR"
    else
        ok "$name"
    fi
}

# is NAME WANTED GOT
is() {
    if [[ $2 == "$3" ]]; then ok "$1"; else not_ok "$1" "wanted \`$2', got \`$3'"; fi
}

# make_image PATH SIZE [OPTION]...: mkfs with a message on failure.
make_image() {
    local path=$1 size=$2
    shift 2
    REASON=$("$WTCLI" mkfs --size "$size" "$@" "$path" 2>&1)
}

# wtd_launch IMAGE [OPTION]...: starts a server on the default socket of this script and does not wait for
# it. Sets WTD_PID, WTD_LOG and exports WT_SOCKET. An option --socket of the caller's wins.
WTD_COUNT=0
wtd_launch() {
    local image=$1
    shift
    WTD_COUNT=$((WTD_COUNT + 1))
    WTD_LOG=$WORK/wtd.$WTD_COUNT.log
    export WT_SOCKET=$SOCKETS/wt.sock
    [[ " $* " =~ \ --socket\ ([^ ]+)\  ]] && WT_SOCKET=${BASH_REMATCH[1]}
    # ${WTD_WRAP[@]}: a program that starts it, such as setpriv.
    ${WTD_WRAP[@]+"${WTD_WRAP[@]}"} "$WTD" --device "$image" --socket "$WT_SOCKET" --cache 64M "$@" \
        >"$WTD_LOG" 2>&1 </dev/null &
    WTD_PID=$!
    WTD_PIDS[$WTD_PID]=1
}

# wtd_ready: waits for an answer on WT_SOCKET; fails when the server ends before.
wtd_ready() {
    local end=$((SECONDS + READY_S))
    while ((SECONDS < end)); do
        "$WTCLI" ping >/dev/null 2>&1 && return 0
        if ! kill -0 "$WTD_PID" 2>/dev/null; then
            REASON="wtd ended: $(head -c 400 "$WTD_LOG")"
            return 1
        fi
        sleep 0.05
    done
    REASON="wtd not ready in $READY_S s: $(head -c 400 "$WTD_LOG")"
    return 1
}

# wtd_start IMAGE [OPTION]...: launch and wait until it answers.
wtd_start() { wtd_launch "$@" && wtd_ready; }

# wtd_wait [PID]: waits for the server's end, at most READY_S; gives its exit status, 99 if it had to be killed.
wtd_wait() {
    local pid=${1:-$WTD_PID} status end=$((SECONDS + READY_S))
    while kill -0 "$pid" 2>/dev/null && ((SECONDS < end)); do
        sleep 0.05
    done
    if kill -0 "$pid" 2>/dev/null; then
        kill -KILL "$pid"
        wait "$pid" 2>/dev/null
        status=99
    else
        wait "$pid" 2>/dev/null
        status=$?
    fi
    unset "WTD_PIDS[$pid]"
    REASON="exit $status: $(tail -n 3 "$WTD_LOG" 2>/dev/null)"
    return "$status"
}

# wtd_stop [PID]: SIGTERM; gives the exit status.
wtd_stop() {
    kill -TERM "${1:-$WTD_PID}" 2>/dev/null
    wtd_wait "$@"
}

# wtd_kill [PID]: SIGKILL.
wtd_kill() {
    kill -KILL "${1:-$WTD_PID}" 2>/dev/null
    wtd_wait "$@"
    return 0
}
