# shellcheck shell=bash
# One life of a volume whose power is cut: look at what the lives before it left, then work until the cut.
# /files/base: above all numbers so far; empty: only look. /files/acks: what was acknowledged.
. /tests/lib.sh
. /tests/nvmet.sh
nvmet_start
nvmet_export wt-cut /dev/vda loop
verdict connects $? "$(dmesg | tail -n 5)"
if [ ! -s /files/acks ]; then
    succeeds mkfs wtcli mkfs --force "$NODE"
else
    wtcli check "$NODE" >/tmp/check 2>&1
    echo "@check $?"
    tail -n 3 /tmp/check
fi
if wtd_start "$NODE" --shards 2; then
    echo '@opened'
    [ -s /files/acks ] && cuts verify /files/acks
    if [ -s /files/base ]; then
        cuts blocks "$(cat /files/base)" &
        cuts names "$(cat /files/base)" &
        wait -n
        not_ok writers-write-until-the-cut "$(cat /tmp/wtd.log)"
    fi
    wtd_stop
    verdict stops $? "$(tail -n 3 /tmp/wtd.log)"
    wtcli check "$NODE"
    echo "@check-after $?"
fi
