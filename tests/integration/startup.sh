#!/usr/bin/env bash
# How wtd starts, refuses to start, and stops. A refusal is exit 1 (usage: 2) and at most 3 lines, the cause
# first.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

image=$WORK/a.img
if ! make_image "$image" 128M; then
    not_ok startup/image "$REASON"
    finish
fi

# long_path BYTES: a path in $SOCKETS of this length.
long_path() { printf '%s/%0*d' "$SOCKETS" $(($1 - ${#SOCKETS} - 1)) 0; }

# wtd_refuses NAME STATUS PATTERN IMAGE [OPTION]...
wtd_refuses() {
    local name=$1 status=$2 pattern=$3 said end
    shift 3
    wtd_launch "$@"
    wtd_wait
    end=$?
    said=$(<"$WTD_LOG")
    if ((end != status)); then
        not_ok "$name" "exit $end instead of $status: $said"
    elif ! head -n 1 "$WTD_LOG" | grep -Eqi -- "$pattern"; then
        not_ok "$name" "no /$pattern/ in the first line of: $said"
    elif (($(wc -l <"$WTD_LOG") > 3)); then
        not_ok "$name" "more than 3 lines: $said"
    else
        ok "$name"
    fi
}

# ---- usage -----------------------------------------------------------------------------------------
run "$WTD" --version
[[ $STATUS == 0 && $OUT =~ ^wtd\ [0-9]+\.[0-9]+\.[0-9]+\ \(protocol\ [0-9]+,\ format\ [0-9]+\)$ ]]
verdict usage/version $? "$OUT $ERR"
run "$WTD" --help
[[ $STATUS == 0 && $OUT == *--device*--socket* ]]
verdict usage/help $? "$OUT $ERR"
refuses usage/unknown-option 2 "nonsense" "$WTD" --device "$image" --nonsense
refuses usage/no-device 2 "--device" "$WTD"
for size in x 12Q -1 "''"; do
    refuses "usage/bad-cache $size" 2 "cache" "$WTD" --device "$image" --socket "$SOCKETS/s" --cache "${size//\'/}"
done
# usage_refused NAME PATTERN OPTION...: exit 2 and one line.
usage_refused() {
    local name=$1 pattern=$2
    shift 2
    refuses "usage/$name" 2 "^wtd: $pattern.*\. Try .wtd --help'\$" "$WTD" --device "$image" --socket "$SOCKETS/s" "$@"
    is "usage/$name-is-one-line" 1 "$(wc -l <<<"$ERR")"
}
usage_refused bad-shards "--shards many: must be a number from 1 to 64" --shards many
usage_refused no-shards "--shards 0: must be a number from 1 to 64" --shards 0
usage_refused too-many-shards "--shards 65: must be a number from 1 to 64" --shards 65
usage_refused bad-metadata "--metadata 1000K: must be at least 1M" --metadata 1000K
usage_refused bad-socket-mode "--socket-mode 999: must be an octal mode" --socket-mode 999
usage_refused bad-user-sessions "--user-sessions 1025: must be a number from 1 to 1024" --user-sessions 1025
usage_refused bad-log-level "--log-level loud: must be error, warning, info or debug" --log-level loud
usage_refused empty-device "--device : must not be empty" --device ""
usage_refused no-value "--cache needs a value" --cache
usage_refused operand "unexpected argument $image" "$image"
usage_refused metrics "--metrics is not in this version" --metrics 127.0.0.1:9000
usage_refused io-timeout "--io-timeout is not in this version" --io-timeout 30
usage_refused two-lines "unknown or ambiguous option --a\?b" "--a
b"

# ---- the device ------------------------------------------------------------------------------------
wtd_refuses device/missing 1 "$WORK/none.img.*no such file" "$WORK/none.img"
wtd_refuses device/directory 1 "directory" "$WORK"
wtd_refuses device/iopoll 1 "only an NVMe namespace .* can be polled" "$image" --iopoll
wtd_refuses device/directory-by-force 1 "directory" "file:$WORK"
wtd_refuses device/null 1 "/dev/null" /dev/null
wtd_refuses device/nvme-on-a-file 1 "is not an NVMe namespace" "nvme:$image"
wtd_refuses device/missing-nvme 1 "/dev/ng99n9.*No such file" /dev/ng99n9
mkfifo "$WORK/fifo"
wtd_refuses device/fifo 1 "$WORK/fifo" "$WORK/fifo"
rm "$WORK/fifo"
: >"$WORK/empty.img"
wtd_refuses device/empty 1 "volume|small|bytes" "$WORK/empty.img"
rm "$WORK/empty.img"
truncate -s 128M "$WORK/blank.img"
wtd_refuses device/not-a-volume 1 "no(t a)?( wt)? volume.*mkfs" "$WORK/blank.img"
head -c 100 /dev/urandom >"$WORK/tiny.img"
wtd_refuses device/too-small-for-anything 1 "volume|small|bytes" "$WORK/tiny.img"
rm -f "$WORK/blank.img" "$WORK/tiny.img"

cp --sparse=always "$image" "$WORK/cut.img"
truncate -s 100M "$WORK/cut.img"
# Both sizes are named, in whatever unit.
wtd_refuses device/smaller-than-its-volume 1 "(100|104857600).*(128|134217728)|(128|134217728).*(100|104857600)" \
    "$WORK/cut.img"
rm -f "$WORK/cut.img"

cp --sparse=always "$image" "$WORK/newer.img"
if [[ -x $BUILD/tests/integration/set_format ]] && "$BUILD/tests/integration/set_format" "$WORK/newer.img" 999; then
    wtd_refuses device/newer-format 1 "format.*newer|999" "$WORK/newer.img"
    refuses device/newer-format-check 2 "format.*newer|999" "$WTCLI" check "$WORK/newer.img"
else
    not_ok device/newer-format "tests/integration/set_format did not do its part"
fi
rm -f "$WORK/newer.img"

# Either superblock alone opens the volume, and wtd says that it had to.
for which in first second; do
    cp --sparse=always "$image" "$WORK/half.img"
    if [[ $which == first ]]; then where=$((64 << 10)); else where=$(((128 << 20) - (1 << 20))); fi
    head -c 4096 /dev/urandom | dd of="$WORK/half.img" bs=4096 seek=$((where / 4096)) conv=notrunc status=none
    if ! wtd_start "$WORK/half.img"; then
        not_ok "device/bad-$which-superblock" "$REASON"
        continue
    fi
    succeeds "device/bad-$which-superblock" "$WTCLI" ls /
    grep -qi superblock "$WTD_LOG"
    verdict "device/bad-$which-superblock-is-said" $? "$(<"$WTD_LOG")"
    wtd_stop
    # A start writes both.
    succeeds "device/bad-$which-superblock-mended" "$WTCLI" check "$WORK/half.img"
done
head -c 4096 /dev/urandom | dd of="$WORK/half.img" bs=4096 seek=16 conv=notrunc status=none
head -c 4096 /dev/urandom | dd of="$WORK/half.img" bs=4096 seek=$((127 << 8)) conv=notrunc status=none
wtd_refuses device/no-superblock 1 "volume" "$WORK/half.img"
rm -f "$WORK/half.img"

# As an ordinary user, whom modes concern.
ordinary=(setpriv --reuid=65534 --regid=65534 --clear-groups)
if ((EUID == 0)) && "${ordinary[@]}" test -x "$WTD" -a -x "$WORK"; then
    WTD_WRAP=("${ordinary[@]}")
    chmod 600 "$image"
    wtd_refuses device/no-permission 1 "$image.*Permission denied" "$image"
    chmod 644 "$image"
    wtd_refuses device/read-only 1 "$image.*Permission denied" "$image"
    cp --sparse=always "$image" "$WORK/own.img"
    chown 65534 "$WORK/own.img"
    wtd_refuses socket/no-permission 1 "/s\.sock.*Permission denied" "$WORK/own.img" --socket "$SOCKETS/s.sock"
    rm "$WORK/own.img"
    WTD_WRAP=()
else
    for name in device/no-permission device/read-only socket/no-permission; do skip "$name" "not root"; done
fi
wtd_refuses cache/too-small 1 "cache 4M.*4 shards" "$image" --cache 4M --shards 4
# Under a limit of file sizes, so that a wtd without the check fails otherwise and takes no memory.
WTD_WRAP=(prlimit --fsize=$((1 << 30)))
memory_kib=$(awk '/^MemTotal/ {print $2}' /proc/meminfo)
wtd_refuses cache/too-large 1 "too large for this machine: at most [0-9]+M" "$image" --cache "${memory_kib}K"
WTD_WRAP=()
wtd_refuses shards/more-than-partitions 1 "16 partitions" "$image" --cache 128M --shards 17

# ---- claims and sockets ----------------------------------------------------------------------------
if ! wtd_start "$image"; then
    not_ok start "$REASON"
    finish
fi
ok start
first=$WTD_PID first_log=$WTD_LOG first_socket=$WT_SOCKET
is start/socket-mode 660 "$(stat -c %a "$WT_SOCKET")"
grep -Eqi 'warn|error' "$first_log"
verdict start/without-warnings $((!$?)) "$(<"$first_log")"

started=$SECONDS
wtd_refuses claim/second-server 1 "$image.*in use" "$image" --socket "$SOCKETS/second.sock"
((SECONDS - started >= 4 && SECONDS - started <= 8))
verdict claim/waits-five-seconds $? "$((SECONDS - started)) s"
refuses claim/check-of-a-served-volume 2 "in use" "$WTCLI" check "$image"
refuses claim/mkfs-of-a-served-volume 1 "in use" "$WTCLI" mkfs --force "$image"

make_image "$WORK/b.img" 64M
wtd_refuses socket/live-server 1 "$first_socket.*(another|answers|in use|already)" "$WORK/b.img" --socket "$first_socket"
export WT_SOCKET=$first_socket
succeeds socket/live-server-unharmed "$WTCLI" ping
wtd_refuses socket/path-too-long 1 "107|too long" "$WORK/b.img" --socket "/tmp/$(printf 'x%.0s' {1..120})"
wtd_refuses socket/path-one-too-long 1 "108 bytes.*107" "$WORK/b.img" --socket "$(long_path 108)"
if wtd_start "$WORK/b.img" --socket "$(long_path 107)"; then
    ok socket/longest-path
    wtd_stop
else
    not_ok socket/longest-path "$REASON"
fi
# A killed server's socket answers for a moment longer: until the kernel has taken its ring down.
python3 -c 'import socket, sys, time
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
s.bind(sys.argv[1]); s.listen(); print("there", flush=True); time.sleep(0.2)' "$SOCKETS/dying.sock" >"$WORK/dying" &
dying=$!
until [[ -s $WORK/dying ]]; do sleep 0.01; done
if wtd_start "$WORK/b.img" --socket "$SOCKETS/dying.sock"; then
    ok socket/of-a-dying-server
    wtd_stop
else
    not_ok socket/of-a-dying-server "$REASON"
fi
wait "$dying"
wtd_refuses socket/no-directory 1 "$SOCKETS/none/s.sock.*No such file" "$WORK/b.img" --socket "$SOCKETS/none/s.sock"
: >"$SOCKETS/file"
wtd_refuses socket/a-file-is-there 1 "$SOCKETS/file" "$WORK/b.img" --socket "$SOCKETS/file"
[[ -f $SOCKETS/file ]]
verdict socket/a-file-is-left-alone $?

# Two servers on one host.
if wtd_start "$WORK/b.img" --socket "$SOCKETS/b.sock"; then
    ok two-servers
    wtd_stop
    is two-servers/stop 0 $?
else
    not_ok two-servers "$REASON"
fi

# A killed server leaves its socket behind; the next one replaces it.
wtd_kill "$first"
[[ -S $first_socket ]]
verdict socket/stale-is-there $?
if wtd_start "$image"; then
    ok socket/stale-replaced
else
    not_ok socket/stale-replaced "$REASON"
    finish
fi

# ---- stopping --------------------------------------------------------------------------------------
echo kept | "$WTCLI" put - /kept
wtd_stop
is stop/sigterm 0 $?
[[ ! -e $WT_SOCKET ]]
verdict stop/socket-removed $?
wtd_start "$image" && kill -INT "$WTD_PID"
# An interactive shell's child has SIGINT at its default, a script's background child ignores it until it
# sets a handler: wtd must have.
wtd_wait
is stop/sigint 0 $?
run "$WTCLI" check "$image"
[[ $STATUS == 0 && $OUT == *"stopped cleanly"* ]]
verdict stop/clean-for-check $? "$OUT $ERR"
if wtd_start "$image"; then
    is stop/content-stays kept "$("$WTCLI" cat /kept)"
    children=$(cat "/proc/$WTD_PID/task/"*/children 2>/dev/null)
    is start/no-children "" "$children"
    wtd_stop
else
    not_ok stop/content-stays "$REASON"
fi

# ---- shards ----------------------------------------------------------------------------------------
for shards in 1 2 4; do
    if wtd_start "$image" --shards "$shards"; then
        is "shards/$shards" kept "$("$WTCLI" cat /kept)"
        wtd_stop
        is "shards/$shards-stop" 0 $?
    else
        not_ok "shards/$shards" "$REASON"
    fi
done

# ---- kernel and limits -----------------------------------------------------------------------------
if [[ ! -x $BUILD/tests/integration/no_uring ]]; then
    not_ok uring/forbidden "tests/integration/no_uring is not built"
elif "$BUILD/tests/integration/no_uring" /bin/true; then
    WTD_WRAP=("$BUILD/tests/integration/no_uring")
    wtd_refuses uring/forbidden 1 "io_uring.*seccomp|seccomp.*io_uring" "$image"
    WTD_WRAP=()
else
    skip uring/forbidden "no seccomp here"
fi

# An ordinary user has 8 MiB of locked memory: it runs, with one warning.
if ((EUID == 0)) && command -v setpriv >/dev/null && command -v prlimit >/dev/null; then
    chown 65534:65534 "$image" "$SOCKETS"
    WTD_WRAP=(prlimit --memlock=8388608 setpriv --reuid=65534 --regid=65534 --clear-groups)
    "${WTD_WRAP[@]}" test -r "$image" -a -x "$WTD"
    reachable=$?
else
    WTD_WRAP=()
    reachable=1
    ((EUID == 0)) || { (($(ulimit -l) <= 8192)) 2>/dev/null && reachable=0; }
fi
if ((reachable != 0)); then
    skip memlock/runs "an ordinary user with little locked memory cannot be played here"
elif wtd_start "$image"; then
    ok memlock/runs
    is memlock/one-warning 1 "$(grep -ci memlock "$WTD_LOG")"
    wtd_stop
    is memlock/stop 0 $?
    wtd_refuses memlock/require-fixed-buffers 1 "memlock" "$image" --require-fixed-buffers
else
    not_ok memlock/runs "$REASON"
fi
WTD_WRAP=()
finish
