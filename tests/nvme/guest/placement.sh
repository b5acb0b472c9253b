# shellcheck shell=bash
# Two NUMA nodes with a core each: the memory of each shard lies on its node.
. /tests/lib.sh
PREFIX=numa-
cp /bin/bash /tmp/data
wtcli mkfs --force /dev/ng0n1 >/dev/null && wtd_start /dev/ng0n1 --shards 2
verdict starts $? "$(cat /tmp/wtd.log)"
succeeds works client put /tmp/data /data

# Pages on each node of the N-th mapping of that name, in the order of creation.
frames() { grep 'wt-frames' "/proc/$WTD_PID/numa_maps"; }
[ "$(frames | wc -l)" -eq 2 ]
verdict each-shard-has-frames $? "$(frames)"
for node in 0 1; do
    # One of the mappings lies on this node with all of its pages.
    frames | awk -v here="N$node" -v there="N$((1 - node))" '
        { on = off = 0
          for (i = 1; i <= NF; i++) { split($i, f, "="); if (f[1] == here) on = f[2]; if (f[1] == there) off = f[2] }
          if (on > 0 && off == 0) found++ }
        END { exit found != 1 }'
    verdict frames-of-one-shard-are-on-node-$node $? "$(frames)"
    # And a thread may run there only.
    found=0
    for task in "/proc/$WTD_PID/task"/*; do
        [ "$(sed -n 's/^Cpus_allowed_list:[[:space:]]*//p' "$task/status")" = "$node" ] && found=$((found + 1))
    done
    [ $found -eq 1 ]
    verdict one-thread-runs-on-node-$node $? "$found threads"
done
wtd_stop
verdict stops $? "$(tail -n 3 /tmp/wtd.log)"

# ---- polling ----
PREFIX=iopoll-
# What came by the namespace's I/O queues' interrupts so far.
interrupts() { awk '/nvme[0-9]+q[1-9]/ { for (i = 2; i <= 3; i++) sum += $i } END { print sum + 0 }' /proc/interrupts; }
reads() { wtcli --reconnect 30 stats | awk '$1 == "device_reads" || $1 == "device_writes" { sum += $2 } END { print sum + 0 }'; }

# measure: sets COMMANDS and INTERRUPTS of reads past the cache.
measure() {
    local commands interrupts
    commands=$(reads) interrupts=$(interrupts)
    client bench --rw randread --depth 4 --time 1 --size 128M >/tmp/bench.out 2>&1 || return 1
    COMMANDS=$(($(reads) - commands)) INTERRUPTS=$(($(interrupts) - interrupts))
    echo "$COMMANDS commands, $INTERRUPTS interrupts"
}
wtd_start /dev/ng0n1 --shards 2
measure
[ "$INTERRUPTS" -gt $((COMMANDS / 4)) ]
verdict without-it-interrupts-come $? "$COMMANDS commands, $INTERRUPTS interrupts"
wtd_stop
wtd_start /dev/ng0n1 --shards 2 --iopoll
verdict starts $? "$(cat /tmp/wtd.log)"
measure
[ "$COMMANDS" -gt 100 ] && [ "$INTERRUPTS" -lt $((COMMANDS / 10)) ]
verdict reads-and-writes-are-polled-for $? "$COMMANDS commands, $INTERRUPTS interrupts"
succeeds stable-writes client bench --rw randwrite --level stable --depth 32 --time 1 --size 4M
succeeds data-goes-in client put /tmp/data /polled
wtd_kill
wtd_start /dev/ng0n1 --shards 2 --iopoll
client get /polled /tmp/polled && cmp /tmp/data /tmp/polled
verdict data-is-there-after-sigkill $? "differs"
wtd_stop
verdict stops $? "$(tail -n 3 /tmp/wtd.log)"
succeeds check-is-clean wtcli check /dev/ng0n1
refuses a-file-is-refused 'only an NVMe namespace' wtd --device /tmp/data --socket $WT_SOCKET --iopoll
