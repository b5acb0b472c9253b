#!/usr/bin/env bash
# Power cuts with a volatile cache that loses everything not flushed: nbdkit's cache behind virtio-blk, and the
# kernel's target with nvme-loop in front, which honours FUA (QEMU's emulated controller does not).
#
# Two writers keep requests in flight and say each stable acknowledgement on the serial line. The cut: QEMU stops,
# nbdkit is killed with its cache, QEMU is killed. The next guest looks for every acknowledged write and name,
# then works until its own cut. The control run does the same with a server that sends no flush and no FUA: it
# must lose data, or these cuts prove nothing.
# shellcheck source=tests/nvme/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

LOSES_DATA=$BUILD/canary-noflush/wtd-loses-data
# How many acknowledgements each life lasts, and a little longer: cuts at different moments.
CUTS=(60 300 1000)
[[ -n $FULL ]] && CUTS=(10 60 200 500 1000 1500 2500 4000 1 800)

# The cache in front of the image lies in a file of nbdkit's own, which dies with it.
medium_start() {
    rm -f "$WORK/nbd.sock"
    TMPDIR=$WORK nbdkit -f -U "$WORK/nbd.sock" --filter=cache file "$WORK/medium.img" cache=writeback \
        </dev/null >"$WORK/nbdkit.log" 2>&1 &
    NBDKIT_PID=$!
    local tries
    for ((tries = 0; tries < 100; tries++)); do
        [[ -S $WORK/nbd.sock ]] && return 0
        sleep 0.05
    done
    REASON="nbdkit does not start: $(cat "$WORK/nbdkit.log")"
    return 1
}

medium_kill() {
    kill -KILL "$NBDKIT_PID" 2>/dev/null
    wait "$NBDKIT_PID" 2>/dev/null
    NBDKIT_PID=
}

# life LOG: boots; the guest finds acks and base.
life() {
    medium_start || return 1
    MODULES="virtio-blk nvmet nvme-loop nvmet-tcp" FILES="$WORK/acks $WORK/base" \
        vm_initramfs "$WORK/initramfs" cuts.sh "$BUILD/tests/nvme/cuts" || return 1
    vm_start "$1" "$WORK/initramfs" "" -drive "file=nbd+unix:///?socket=$WORK/nbd.sock,if=none,id=v0,format=raw" \
        -device virtio-blk-pci,drive=v0
}

acks_in() { tr -d '\r' <"$1" | grep -E '^@ack [BNRAU] [0-9]+ [0-9]+ \.$'; }

# cut_after LOG COUNT: waits for so many acknowledgements, then cuts. 1: they do not come.
cut_after() {
    local waited
    for ((waited = 0; waited < VM_SECONDS * 10; waited++)); do
        (($(acks_in "$1" | wc -l) >= $2)) && break
        kill -0 "$VM_PID" 2>/dev/null || break
        sleep 0.1
    done
    sleep "0.0$((RANDOM % 10))"
    kill -STOP "$VM_PID" 2>/dev/null
    medium_kill
    vm_kill
    acks_in "$1" >>"$WORK/acks"
    (($(acks_in "$1" | wc -l) >= $2))
}

said() { tr -d '\r' <"$2" | sed -n "s/^@$1 //p" | head -n 1; }

# judge_life NAME LOG: nothing acknowledged by the lives before is lost.
judge_life() {
    local lost
    lost=$(said lost "$2")
    [[ $lost == "0 of "* && $(said check "$2") == 0 ]]
    verdict "$1-nothing-acknowledged-is-lost" $? \
        "lost ${lost:-unknown}, check $(said check "$2"): $(grep -a 'lost:\|wtd:\|damage' "$2" | head -n 5 | tr -d '\r')"
}

begin() {
    rm -f "$WORK/medium.img"
    vm_disk medium.img 512M
    : >"$WORK/acks"
}

# run_cuts: as many lives as there are cuts, and one that looks, stops and checks.
run_cuts() {
    local number=0 count log
    begin
    for count in "${CUTS[@]}" end; do
        log=$WORK/life.$number
        echo $((++number * 1000000)) >"$WORK/base"
        [[ $count == end ]] && : >"$WORK/base"
        if ! life "$log"; then
            vm_not_started "cut-$number-starts"
            return
        fi
        if [[ $count == end ]]; then
            vm_wait "$log"
            is_clean "$log"
        else
            cut_after "$log" "$count" || not_ok "cut-$number-writers-work" "$(tail -n 5 "$log" | tr -d '\r')"
        fi
        cat "$log" >&2
        ((number == 1)) || judge_life "cut-$((number - 1))" "$log"
        grep -aq '^@not ok' "$log" && not_ok "cut-$number-goes-well" "$(grep -a '^@not ok' "$log" | tr -d '\r')"
    done
    medium_kill
}

is_clean() {
    [[ $(said check-after "$1") == 0 ]]
    verdict volume-is-clean-after-all-cuts $? "$(tail -n 5 "$1" | tr -d '\r')"
}

# The server that never flushes must lose something: an acknowledgement, or the whole volume.
run_control() {
    local log=$WORK/control
    begin
    echo 1000000 >"$WORK/base"
    SERVER=$LOSES_DATA life "$log.1" || { vm_not_started control-starts && return; }
    if ! cut_after "$log.1" 300; then
        not_ok control-writers-work "$(tail -n 5 "$log.1" | tr -d '\r')"
        return
    fi
    : >"$WORK/base"
    life "$log.2" || { vm_not_started control-starts && return; }
    vm_wait "$log.2"
    cat "$log.1" "$log.2" >&2
    medium_kill
    tr -d '\r' <"$log.2" | grep -q '^@end'
    verdict control-runs-to-its-end $? "$(tail -n 5 "$log.2" | tr -d '\r')"
    local lost
    lost=$(said lost "$log.2")
    [[ -n $lost && $lost != "0 of "* ]] || ! grep -q '^@opened' "$log.2"
    verdict without-flush-and-fua-data-is-lost $? "lost ${lost:-unknown}"
    echo "control: lost ${lost:-the volume}" >&2
}

if ! vm_need_kernel 6.12; then
    skip power-cuts "$REASON"
    skip without-flush-and-fua-data-is-lost "$REASON"
    finish
fi
[[ -x $LOSES_DATA ]] || { not_ok without-flush-and-fua-data-is-lost "$LOSES_DATA is not built" && finish; }
run_cuts
run_control
finish
