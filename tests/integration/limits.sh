#!/usr/bin/env bash
# The limits of a server and of a session (proto/limits.h), each gone to: what is told there, and that what is
# below goes on. Names, paths, links and sizes of files are in the tests of the file system.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

limits=$BUILD/tests/integration/limits
image=$WORK/a.img
if ! make_image "$image" 256M || [[ ! -x $limits ]]; then
    not_ok start "$REASON"
    finish
fi
me=$(id -u)

# ---- volumes -----------------------------------------------------------------------------------------
refuses volume/too-small 1 "64" "$WTCLI" mkfs --size 65535K "$WORK/small.img"
refuses volume/too-large 1 "EiB|1152921504606846976|too large" "$WTCLI" mkfs --sparse --size 1048577T "$WORK/large.img"
rm -f "$WORK/small.img" "$WORK/large.img"

# ---- sessions of a user ------------------------------------------------------------------------------
if ! wtd_start "$image" --shards 1 --user-sessions 9 --socket-mode 666; then
    not_ok user-sessions "$REASON"
    finish
fi
"$limits" sessions 99 60 >"$WORK/held" &
holder=$!
for ((i = 0; i < 200; i++)); do
    [[ -s $WORK/held ]] && break
    sleep 0.05
done
grep -Eq "^9 EDQUOT: .*user $me has 9 sessions.*--user-sessions" "$WORK/held"
verdict user-sessions/refused $? "$(<"$WORK/held")"
refuses user-sessions/wtcli-says-why 1 "user $me has 9 sessions" "$WTCLI" ping
if ((EUID == 0)) && setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$WTCLI"; then
    succeeds user-sessions/others-connect setpriv --reuid=65534 --regid=65534 --clear-groups "$WTCLI" ping
    groups=$(seq -s , 10001 10257)
    refuses groups/257 1 "too many groups" setpriv --reuid=65534 --regid=65534 --groups="$groups" "$WTCLI" ping
    succeeds groups/256 setpriv --reuid=65534 --regid=65534 --groups="${groups%,*}" "$WTCLI" ping
else
    skip user-sessions/others-connect "not root"
    skip groups/257 "not root"
    skip groups/256 "not root"
fi
kill "$holder"
wait "$holder" 2>/dev/null
# The server notices the end in its own time.
succeeds user-sessions/free-again "$WTCLI" ping --reconnect 5

# ---- a session ---------------------------------------------------------------------------------------
: | "$WTCLI" put - /file
is handles/65536 "65536 EMFILE again" "$("$limits" handles /file)"
if [[ ${LIMITS_LONG:-0} != 0 ]]; then
    is handles/of-all-sessions "262144 ENFILE in 5 sessions" "$("$limits" all-handles /file)"
    # The server closes them after the client has gone, some at a time.
    for ((i = 0; i < 200; i++)); do
        "$WTCLI" cat /file 2>/dev/null && break
        sleep 0.05
    done
    succeeds handles/free-again "$WTCLI" cat /file
fi
is options/out-of-bounds "least 0
ring-4 EINVAL
ring-9 EINVAL
ring-8192 EINVAL
arena-65535 EINVAL
arena-1G+1 EINVAL" "$("$limits" options)"
wtd_stop
is user-sessions/stop 0 $?

# ---- all sessions ------------------------------------------------------------------------------------
if (($(ulimit -Hn) < 8192)); then
    skip sessions/1024 "a process has too few descriptors here"
elif wtd_start "$image" --shards 1 --user-sessions 1024; then
    ulimit -Sn 8192
    said=$("$limits" sessions 2000)
    [[ $said == "1024 EUSERS: "*"the server has 1024 sessions"* ]]
    verdict sessions/1024 $? "$said"
    wtd_stop
else
    not_ok sessions/1024 "$REASON"
fi

# One user gets an eighth of the machine's memory; to see it, that much must be free, twice, and is filled with
# zeros: for LIMITS_LONG=1 (make test-long).
read -r total_kib available_kib <<<"$(awk '/^MemTotal/ {t = $2} /^MemAvailable/ {a = $2} END {print t, a}' /proc/meminfo)"
if [[ ${LIMITS_LONG:-0} == 0 ]]; then
    :
elif ((available_kib < total_kib / 4 + (1 << 20))); then
    skip session-memory "too little free memory"
elif wtd_start "$image" --shards 1; then
    said=$("$limits" memory 200)
    [[ $said == *" EDQUOT: "*"MiB of session memory: user $me has "* && ${said%% *} == $((total_kib / 8 >> 20)) ]]
    verdict session-memory $? "$said of $total_kib KiB"
    succeeds session-memory/free-again "$WTCLI" ping
    wtd_stop
else
    not_ok session-memory "$REASON"
fi

# ---- metadata memory ---------------------------------------------------------------------------------
mkdir "$WORK/tree"
(cd "$WORK/tree" && seq -f 'file-%05g' 1 5300 | xargs touch)
if wtd_start "$image" --metadata 1M; then
    run "$WTCLI" put -r "$WORK/tree" /tree
    [[ $STATUS == 1 && $ERR == *"No space left on device"* ]]
    verdict metadata/full $? "exit $STATUS: $(head -n 2 <<<"$ERR")"
    made=$("$WTCLI" ls /tree | wc -l)
    # 128 bytes a file, 72 and its name's length a name: WT documents no more than that.
    ((made >= (1 << 20) / (128 + 72 + 10 + 128) && made < 5300))
    verdict metadata/figure-a-file $? "$made files in 1 MiB"
    refuses metadata/full-mkdir 1 "No space left" "$WTCLI" mkdir /more
    succeeds metadata/rm-when-full "$WTCLI" rm -r /tree
    succeeds metadata/room-again "$WTCLI" mkdir /more
    wtd_stop
    is metadata/stop 0 $?
else
    not_ok metadata/full "$REASON"
fi
if wtd_start "$image" && "$WTCLI" put -r "$WORK/tree" /tree && wtd_stop; then
    wtd_launch "$image" --metadata 1M
    wtd_wait
    is metadata/too-little-to-open 1 $?
    grep -Eq "needs [0-9]{7} bytes of memory, 1048576 are allowed.*--metadata" "$WTD_LOG"
    verdict metadata/both-figures-are-named $? "$(<"$WTD_LOG")"
    if wtd_start "$image"; then
        is metadata/opens-with-more 5300 "$("$WTCLI" ls /tree | wc -l)"
        wtd_stop
    else
        not_ok metadata/opens-with-more "$REASON"
    fi
else
    not_ok metadata/too-little-to-open "$REASON"
fi
finish
