# shellcheck shell=bash
# A medium that fails under a server: /dev/vda, the device mapper, the kernel's target by $TRANSPORT; then an
# emulated controller that is pulled out.
. /tests/lib.sh
. /tests/nvmet.sh
read -r TRANSPORT </files/transport
nvmet_start
export DM_DISABLE_UDEV=1
sectors=$(blockdev --getsz /dev/vda)
good="0 $sectors linear /dev/vda 0"

# set_medium TABLE: from now on.
set_medium() {
    dmsetup suspend --nolockfs medium && dmsetup reload medium --table "$1" && dmsetup resume medium
}

# begin NAME: a new volume behind a new controller, with a file of an earlier life that is in no cache.
begin() {
    PREFIX=$1-
    dmsetup create medium --table "$good" && nvmet_export "wt-$1" /dev/mapper/medium "$TRANSPORT"
    verdict connects $? "$(dmesg | tail -n 5)"
    begin_on "$NODE"
}

begin_on() {
    [ -e /tmp/cold ] || head -c 3000000 /dev/urandom >/tmp/cold
    wtcli mkfs --force "$1" && wtd_start "$1" --shards 2 && client put /tmp/cold /cold && wtd_stop &&
        wtd_start "$1" --shards 2
    verdict is-served $? "$(tail -n 3 /tmp/wtd.log)"
}

end() {
    nvmet_remove "wt-${PREFIX%-}" "$TRANSPORT"
    dmsetup remove --retry medium
}

# load: stable writes in the background until they fail.
load() {
    wtcli --reconnect 30 bench --rw randwrite --level stable --depth 16 --time 300 --size 4M >/tmp/bench.out 2>&1 &
    LOAD_PID=$!
    sleep 2
}

# load_fails NAME: with an error of the device, and not because the server went away.
load_fails() {
    local end=$((SECONDS + 60))
    while kill -0 $LOAD_PID 2>/dev/null && [ $SECONDS -lt $end ]; do usleep 100000; done
    if kill -0 $LOAD_PID 2>/dev/null; then
        kill -9 $LOAD_PID
        not_ok "$1" "writers still wait after a minute: $(tail -n 3 /tmp/wtd.log)"
        return
    fi
    wait $LOAD_PID
    if [ $? -ne 0 ] && grep -Eqi 'input/output|read-only|no such device|link' /tmp/bench.out; then
        ok "$1"
    else
        not_ok "$1" "$(cat /tmp/bench.out)"
    fi
}

# log_says NAME PATTERN
log_says() {
    wait_for 20 grep -Eq "$2" /tmp/wtd.log
    verdict "$1" $? "$(tail -n 5 /tmp/wtd.log)"
}

cold_is() {
    { client get /cold /tmp/cold.back && cmp /tmp/cold /tmp/cold.back; } >/tmp/.out 2>&1
    verdict "$1" $? "$(tail -n 2 /tmp/.out)"
    rm -f /tmp/cold.back
}

# ends NAME [STATUS]: SIGTERM ends it, within a minute; 1 where the volume failed, and nothing but 0 else.
ends() {
    local end=$((SECONDS + 60)) status wanted=0
    kill "$WTD_PID"
    while kill -0 "$WTD_PID" 2>/dev/null && [ $SECONDS -lt $end ]; do usleep 100000; done
    kill -9 "$WTD_PID" 2>/dev/null && not_ok "$1" "it does not end: $(tail -n 3 /tmp/wtd.log)" && return
    wait "$WTD_PID"
    status=$?
    grep -q 'read-only until' /tmp/wtd.log && wanted=1
    [ $status -eq ${2:-$wanted} ]
    verdict "$1" $? "exit $status instead of ${2:-$wanted}: $(tail -n 3 /tmp/wtd.log)"
}

opens_again() {
    wtd_start "$NODE" --shards 2
    verdict opens-again $? "$(tail -n 3 /tmp/wtd.log)"
    cold_is old-data-is-there-again
    ends stops-in-order 0
    succeeds check-is-clean wtcli check "$NODE"
}

# Writes fail, reads go on.
begin write-errors
load
set_medium "0 $sectors flakey /dev/vda 0 0 1 1 error_writes"
load_fails writers-get-the-error
refuses new-files-are-refused 'input/output|read-only' client put /tmp/cold /new
log_says volume-is-read-only 'read-only until it is opened again'
cold_is reads-go-on
set_medium "$good"
refuses stays-read-only 'read-only' client put /tmp/cold /new
ends ends-with-1 1
opens_again
end

# The device says that it wrote, and did not: no server can tell, but what was there before must still be.
begin dropped-writes
set_medium "0 $sectors flakey /dev/vda 0 0 1 1 drop_writes"
succeeds writes-are-acknowledged client put /tmp/cold /lost
wtd_kill
set_medium "$good"
wtd_start "$NODE" --shards 2
verdict opens-again $? "$(tail -n 3 /tmp/wtd.log)"
cold_is old-data-is-there
client get /lost /tmp/lost >/dev/null 2>&1 && cmp -s /tmp/lost /tmp/cold
[ $? -ne 0 ]
verdict the-injection-works $? "what was dropped is there"
rm -f /tmp/lost
ends stops-in-order 0
succeeds check-is-clean wtcli check "$NODE"
end

# The namespace shrinks to less than what is on it.
begin shrunk
set_medium "0 147456 linear /dev/vda 0"
echo 1 >"$NAMESPACE/revalidate_size"
block=$(basename "${NODE/ng/nvme}")
wait_for 30 grep -qx 147456 "/sys/block/$block/size"
verdict the-kernel-knows $? "$(cat "/sys/block/$block/size")"
head -c 8388608 /dev/urandom >/tmp/large
failed=0
for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
    client put /tmp/large /large$i >/tmp/.out 2>&1 || { failed=1 && break; }
done
[ $failed = 1 ] && grep -Eqi 'input/output|read-only' /tmp/.out
verdict a-writer-gets-the-error $? "$(tail -n 2 /tmp/.out)"
log_says wtd-says-so 'shrunk'
succeeds server-lives client ls /
ends ends
refuses too-small-is-refused 'MiB|bytes' wtd --device "$NODE" --socket $WT_SOCKET
set_medium "$good"
echo 1 >"$NAMESPACE/revalidate_size"
wait_for 30 grep -qx "$sectors" "/sys/block/$block/size"
opens_again
end

# Somebody sets the namespace's write protection.
begin write-protected
load
succeeds is-protected write_protect "$NODE" 1
load_fails writers-get-the-error
log_says wtd-says-so 'write protected'
refuses new-files-are-refused 'read-only' client put /tmp/cold /new
cold_is reads-go-on
ends ends
refuses mkfs-is-refused 'write protected; lift' wtcli mkfs --force "$NODE"
succeeds is-lifted write_protect "$NODE" 0
opens_again
end

# The namespace is taken away at the target.
begin removed
load
echo 0 >"$NAMESPACE/enable"
load_fails writers-get-the-error
log_says wtd-says-so 'gone|no path|path'
refuses reads-fail '.' client cat /cold
ends ends-with-1 1
end

# The controller is pulled out.
PREFIX=pulled-
for entry in /sys/class/nvme/nvme*; do
    [ "$(cat "$entry/transport")" = pcie ] && controller=$entry
done
NODE=/dev/ng${controller##*/nvme}n1
begin_on "$NODE"
load
echo 1 >"$controller/device/remove" &
load_fails writers-get-the-error
log_says wtd-says-so 'gone|no path|path'
refuses reads-fail '.' client cat /cold
ends ends-with-1 1
wait
