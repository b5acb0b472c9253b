# shellcheck shell=bash
# The main job on a namespace: what deploy/quickstart does with an image, and some more.

# small_files DEVICE: eight files, put stable, of which a SIGKILL and a start by another name take nothing.
small_files() {
    local i bad=0
    for i in 1 2 3 4 5 6 7 8; do
        head -c $((i * 50000 + i)) /dev/urandom >/tmp/f$i
        client put /tmp/f$i /f$i || not_ok "stable-put-$i" "exit $?"
    done
    wtd_kill
    wtd_start "$1" --shards 1
    verdict starts-after-sigkill-by-the-block-node $? "$(cat /tmp/wtd.log)"
    for i in 1 2 3 4 5 6 7 8; do
        { client get /f$i /tmp/g && cmp /tmp/f$i /tmp/g; } || bad=$i
    done
    rm -f /tmp/f? /tmp/g
    tree_comes_out tree-is-there-after-sigkill
    verdict what-was-stable-is-there $bad "file $bad differs"
}

# tree_comes_out NAME: equal to what went in.
tree_comes_out() {
    { client get -r /tree /tmp/back && diff -r /lib/x86_64-linux-gnu /tmp/back; } >/tmp/.out 2>&1
    verdict "$1" $? "$(tail -n 3 /tmp/.out)"
    rm -rf /tmp/back
}

# info_is NAME PATTERN
info_is() {
    grep -q "$2" /tmp/info
    verdict "$1" $? "$(grep device /tmp/info)"
}

# job DEVICE: a tree goes in and comes out; see small_files; check is clean.
job() {
    local device=$1
    wait_for 20 test -e "$device" || not_ok device-appears "$(ls /dev)"
    succeeds mkfs wtcli mkfs --force "$device"
    wtd_start "$device" --shards 2
    verdict starts $? "$(cat /tmp/wtd.log)"
    succeeds a-tree-goes-in client put -r /lib/x86_64-linux-gnu /tree
    succeeds the-tree-is-listed client ls -lR /
    tree_comes_out a-tree-comes-out
    small_files "${device/ng/nvme}"
    succeeds stable-writes-at-depth-32 client bench --rw randwrite --level stable --depth 32 --time 1 --size 4M
    refuses a-served-namespace-is-refused "in use" wtcli mkfs --force "$device"
    wtd_stop
    verdict stops $? "$(tail -n 3 /tmp/wtd.log)"
    succeeds check-is-clean wtcli check "$device"
    wtcli info "$device" >/tmp/info
    info_is info-names-the-backend 'device kind *nvme'
    info_is info-shows-the-model 'device model *\(QEMU\|Linux\)'
    # What a claim of the first server held must not hold up anybody after it.
    succeeds mkfs-again wtcli mkfs --force "$device"
}
