# shellcheck shell=bash
# The main job on /dev/ng0n1: a tree goes in and comes out, also after SIGKILL and by the block node's name;
# stable writes in the background are there after the kill; check is clean.
. /tests/lib.sh
device=${WT_DEVICE:-/dev/ng0n1}
block=${device/ng/nvme}

wait_for 10 test -e "$device" || not_ok device-appears "$(ls /dev)"
succeeds mkfs wtcli mkfs --force "$device"
wtd_start "$device" --shards 2
verdict starts $? "$(cat /tmp/wtd.log)"
succeeds a-tree-goes-in wtcli put -r /lib /lib
succeeds a-tree-comes-out wtcli get -r /lib /tmp/back
succeeds trees-are-equal diff -r /lib /tmp/back
rm -rf /tmp/back
for i in 1 2 3 4 5 6 7 8; do
    head -c $((i * 50000 + i)) /dev/urandom >/tmp/f$i
    wtcli put /tmp/f$i /f$i || not_ok "stable-put-$i" "exit $?"
done
wtd_kill
wtd_start "$block" --shards 1
verdict starts-after-sigkill-by-the-block-node $? "$(cat /tmp/wtd.log)"
bad=0
for i in 1 2 3 4 5 6 7 8; do
    wtcli get /f$i /tmp/g && cmp /tmp/f$i /tmp/g || bad=$i
done
verdict what-was-stable-is-there $bad "file $bad differs"
succeeds stable-writes-at-depth-32 wtcli bench --rw randwrite --level stable --depth 32 --time 1 --size 4M
refuses a-served-namespace-is-refused "in use" wtcli mkfs --force "$device"
wtd_stop
verdict stops $? "$(tail -n 3 /tmp/wtd.log)"
succeeds check-is-clean wtcli check "$device"
wtcli info "$device" >/tmp/info
grep -q 'device kind *nvme' /tmp/info
verdict info-names-the-backend $? "$(cat /tmp/info)"
grep -q 'device model *QEMU\|device model *Linux' /tmp/info
verdict info-shows-the-model $? "$(grep model /tmp/info)"
