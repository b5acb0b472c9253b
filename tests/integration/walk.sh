#!/usr/bin/env bash
# A random walk of all operations by several clients on wt and on ext4, and many clients at once: tests/walk.
#
# WALK_STEPS (default 20000, of all walks together; `make test-long` takes 1000000, under the sanitizers) and
# WALK_SEED (default: from the clock; it is said, and a failure says how to walk it again).
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

STEPS=${WALK_STEPS:-20000}
FRESH=${WALK_SEED:-$(date +%s%N | cut -c 6-15)}
FRESH=$((10#$FRESH))
WALK=$BUILD/tests/walk/walk
[[ -x $WALK ]] || { not_ok walk-start "tests/walk/walk is not built"; finish; }
echo "the fresh seed is $FRESH" >&2

# A directory on ext4: the host's side of the walk.
top=
for place in "$WORK" "${TMPDIR:-/tmp}" /tmp /var/tmp; do
    [[ $(stat -f -c %t "$place" 2>/dev/null) == ef53 ]] || continue
    top=$(mktemp -d "$place/wt-walk.XXXXXX") && break
done
[[ -n $top ]] || { skip walk "no directory on ext4 here"; finish; }
trap 'rm -rf "$top"; cleanup' EXIT

# walk NAME OPTION...: one walk on a volume of its own.
walk() {
    local name=$1 image=$WORK/walk.img host=$top/host
    shift
    rm -rf "$host" "$image" "$WORK/walk.log"
    mkdir "$host"
    make_image "$image" 2G --sparse || { not_ok "$name" "$REASON"; return; }
    # The socket's path is relative: the walk changes its root directory.
    (cd "$SOCKETS" && exec "$WALK" --wtd "$WTD" --wtcli "$WTCLI" --image "$image" --socket walk.sock \
        --host "$host" --log "$WORK/walk.log" "$@") >"$WORK/walk.out" 2>"$WORK/walk.err"
    STATUS=$?
    cat "$WORK/walk.out" "$WORK/walk.err" >&2
    ((STATUS == 0)) || tail -n 40 "$WORK/walk.log" >&2
    verdict "$name" $STATUS "exit $STATUS: $(tail -n 1 "$WORK/walk.out") ($*)"
}

walk walk-seed-1 --seed 1 --steps $((STEPS / 4))
walk walk-seed-2 --seed 2 --steps $((STEPS / 4)) --clients 8
walk walk-fresh-seed --seed "$FRESH" --steps $((STEPS / 4))
walk walk-concurrent-seed-1 --seed 1 --steps $((STEPS / 8)) --concurrent
walk walk-concurrent-fresh-seed --seed "$FRESH" --steps $((STEPS / 8)) --concurrent --clients 8
finish
