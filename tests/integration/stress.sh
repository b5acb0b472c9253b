#!/usr/bin/env bash
# Eight client processes, 32 requests in flight each, on own and shared files, contents verified; then SIGKILL
# of the server and of clients in the middle, and every stable write must be there.
#
# STRESS_SECONDS (default 8) and STRESS_ROUNDS (default 3): `make test-long` takes 60 and 20.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

SECONDS_OF_WORK=${STRESS_SECONDS:-8}
ROUNDS=${STRESS_ROUNDS:-3}
CLIENTS=8
STRESS=$BUILD/tests/integration/stress
LEDGERS=$WORK/ledgers
mkdir "$LEDGERS"

# work SECONDS: all clients; their output goes to $WORK/client.N, their ids to PIDS.
work() {
    local client
    PIDS=()
    for ((client = 0; client < CLIENTS; client++)); do
        "$STRESS" work "$LEDGERS" "$client" "$1" >"$WORK/client.$client" 2>&1 &
        PIDS+=($!)
    done
}

# ended STATUS...: waits for the clients; fails when one ends otherwise. 137 is a client that was killed.
ended() {
    local pid status bad=0
    for pid in "${PIDS[@]}"; do
        wait "$pid"
        status=$?
        [[ " $* " == *" $status "* ]] || bad=1
    done
    ((bad == 0)) || REASON=$(cat "$WORK"/client.* | head -n 5)
    return "$bad"
}

shares() {
    "$WTCLI" stats | awk '$1 ~ /^shard[0-9]+_requests$/ { n[$1] = $2; sum += $2 }
        END { for (s in n) if (n[s] < 0.3 * sum) { print s " did " n[s] " of " sum; exit 1 } exit !(sum > 0) }'
}

image=$WORK/stress.img
if ! make_image "$image" 512M || ! wtd_start "$image" --shards 2; then
    not_ok stress-start "$REASON"
    finish
fi

# The first look makes the files, one after the other, so that they are dealt out evenly to the shards.
run "$STRESS" verify "$LEDGERS"
verdict files-are-made $STATUS "$OUT"

work "$SECONDS_OF_WORK"
ended 0
verdict eight-clients-see-no-difference $? "$REASON"
REASON=$(shares)
verdict each-shard-did-thirty-percent $? "$REASON"
run "$STRESS" verify "$LEDGERS"
verdict everything-reads-back $STATUS "$OUT"

bad=0
for ((round = 0; round < ROUNDS && bad == 0; round++)); do
    work 30
    sleep "$((RANDOM % 2)).$((RANDOM % 10))"
    kill -KILL "${PIDS[0]}" "${PIDS[1]}" 2>/dev/null
    sleep 0.2
    wtd_kill
    ended 3 137 || { bad=1; not_ok clients-see-the-server-go "$REASON"; break; }
    wtd_start "$image" --shards $((1 + round % 3)) || { bad=1; not_ok reopened-after-sigkill "$REASON"; break; }
    run "$STRESS" verify "$LEDGERS"
    ((STATUS == 0)) || { bad=1; not_ok stable-writes-survive-sigkill "round $round: $OUT"; break; }
done
((bad)) || ok "stable-writes-survive-$ROUNDS-rounds-of-sigkill"

wtd_stop
verdict stress-stops-cleanly $? "$REASON"
run "$WTCLI" check "$image"
verdict stress-volume-is-clean $STATUS "$OUT $ERR"
finish
