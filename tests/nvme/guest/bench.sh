# shellcheck shell=bash
# The same namespace by passthrough and by the block layer, in turn. The figures are an emulator's: printed, and
# good for nothing but a look.
. /tests/lib.sh
# iops DEVICE ARGUMENT...: of one measurement.
iops() {
    local device=$1
    shift
    wtd_start "$device" --shards 1 >/dev/null || return 1
    client bench "$@" --time "$(cat /files/seconds)" --size 16M --json >/tmp/bench.out 2>&1
    sed -n 's/.*"iops"[^0-9]*\([0-9]*\).*/\1/p' /tmp/bench.out | head -n 1
    wtd_stop
}
succeeds mkfs wtcli mkfs --force /dev/ng0n1
for work in "randwrite 1" "randwrite 32" "randread 1" "randread 32"; do
    rw=${work% *} depth=${work#* }
    nvme=$(iops /dev/ng0n1 --rw "$rw" --level stable --depth "$depth")
    block=$(iops file:/dev/nvme0n1 --rw "$rw" --level stable --depth "$depth")
    [ "${nvme:-0}" -gt 0 ] && [ "${block:-0}" -gt 0 ]
    verdict "$rw-depth-$depth" $? "passthrough ${nvme:-none}, block ${block:-none}: $(tail -n 2 /tmp/bench.out /tmp/wtd.log)"
    say "$rw, depth $depth: passthrough $nvme/s, block path $block/s, ratio $((100 * nvme / block))%"
done
