#!/usr/bin/env bash
# Every command of wtcli end to end, on a small image and a server of its own.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

valid_json() { # valid_json NAME TEXT [JQ-FILTER]
    if ! command -v jq >/dev/null; then
        skip "$1" "no jq here"
    elif [[ -n $2 ]] && jq -e "${3:-.}" >/dev/null 2>&1 <<<"$2"; then
        ok "$1"
    else
        not_ok "$1" "not the JSON expected: ${2:0:300}"
    fi
}

# ---- without a server ------------------------------------------------------------------------------
export WT_SOCKET=$SOCKETS/nobody.sock
for command in "ping" "ls /" "stat /" "cat /a" "put $0 /a" "get /a $WORK/a" "rm /a" "mv /a /b" "mkdir /a" \
    "rmdir /a" "ln /a /b" "chmod 644 /a" "chown 0 /a" "truncate -s 0 /a" "df" "du /" "sync" "stats" "info" \
    "bench"; do
    started=${EPOCHREALTIME/./}
    # shellcheck disable=SC2086
    run "$WTCLI" $command
    took_ms=$(((${EPOCHREALTIME/./} - started) / 1000))
    name="no-server/${command%% *}"
    if ((STATUS != 1)); then
        not_ok "$name" "exit $STATUS: $ERR"
    elif ((took_ms > 1000)); then
        not_ok "$name" "took $took_ms ms"
    elif [[ $ERR != "wtcli: $WT_SOCKET: no server answers: "* ]]; then
        not_ok "$name" "said: $ERR"
    else
        ok "$name"
    fi
done
refuses no-server/option-wins 1 "^wtcli: $SOCKETS/other.sock: no server answers" \
    "$WTCLI" --socket "$SOCKETS/other.sock" ping
run env -u WT_SOCKET "$WTCLI" ping
if [[ -S /run/wt/wt.sock ]]; then
    skip no-server/default-socket "a server of somebody else's may be there"
else
    is no-server/default-socket "wtcli: /run/wt/wt.sock: no server answers: No such file or directory" "$ERR"
fi
refuses no-server/path-too-long 1 "^wtcli: .*(107|too long)" "$WTCLI" --socket "/tmp/$(printf 'x%.0s' {1..120})" ping

# ---- usage -----------------------------------------------------------------------------------------
for words in "" "nonsense" "ls --nonsense" "ls -x" "put a" "put a b c" "truncate /a" "truncate -s 1Q /a" \
    "mkfs --size x /dev/null" "ping extra" "bench --rw sideways" "bench --depth 0" "bench --level firm" \
    "chmod u~x /a" "ln -p a b" "dump" "--socket" "rm"; do
    # shellcheck disable=SC2086
    run "$WTCLI" $words
    name="usage/${words:-nothing}"
    if ((STATUS == 2)) && [[ $ERR == "wtcli: "*"Try \`--help'"* ]] && (($(wc -l <<<"$ERR") <= 2)); then
        ok "$name"
    else
        not_ok "$name" "exit $STATUS: $ERR"
    fi
done
run "$WTCLI" --version
[[ $STATUS == 0 && $OUT =~ ^wtcli\ [0-9]+\.[0-9]+ ]]
verdict usage/version $? "$OUT $ERR"
run "$WTCLI" --help
[[ $STATUS == 0 && $OUT == *mkfs*bench* && -z $ERR ]]
verdict usage/help $? "$OUT $ERR"
run "$WTCLI" put --help
[[ $STATUS == 0 && $OUT == *"put [options] SRC DEST"*archive* ]]
verdict usage/help-command $? "$OUT $ERR"
if [[ -c /dev/full ]]; then
    "$WTCLI" --help >/dev/full 2>"$WORK/.err"
    is usage/full-output 1 $?
fi
"$WTCLI" --help | true
is usage/sigpipe-quiet 0 "${PIPESTATUS[1]}"

# ---- mkfs, check, info -----------------------------------------------------------------------------
image=$WORK/a.img
refuses mkfs/too-small 1 "64 ?M" "$WTCLI" mkfs --size 63M "$WORK/small.img"
succeeds mkfs/makes-a-volume "$WTCLI" mkfs --size 128M "$image"
is mkfs/size $((128 << 20)) "$(stat -c %s "$image")"
# Written in full: no holes but a little slack for the file system's own taste.
(($(stat -c '%b * %B' "$image") >= 127 << 20))
verdict mkfs/written-in-full $? "$(stat -c '%b * %B' "$image")"
succeeds mkfs/sparse "$WTCLI" mkfs --sparse --size 128M "$WORK/sparse.img"
(($(stat -c '%b * %B' "$WORK/sparse.img") < 64 << 20))
verdict mkfs/sparse-has-holes $? "$(stat -c '%b * %B' "$WORK/sparse.img")"
before=$(cksum <"$image")
refuses mkfs/refuses-a-volume 1 "volume.*--force|--force.*volume" "$WTCLI" mkfs "$image"
is mkfs/refusal-writes-nothing "$before" "$(cksum <"$image")"
succeeds mkfs/force "$WTCLI" mkfs --force "$image"
succeeds mkfs/options-after-operand "$WTCLI" mkfs "$image" --force
mkfs_ext4=$(command -v mkfs.ext4 || command -v /usr/sbin/mkfs.ext4 || command -v /sbin/mkfs.ext4)
if [[ -n $mkfs_ext4 ]]; then
    truncate -s 128M "$WORK/ext4.img"
    "$mkfs_ext4" -q -F "$WORK/ext4.img" 2>/dev/null
    refuses mkfs/refuses-ext4 1 "ext|file system" "$WTCLI" mkfs "$WORK/ext4.img"
    succeeds mkfs/force-over-ext4 "$WTCLI" mkfs --force "$WORK/ext4.img"
else
    skip mkfs/refuses-ext4 "no mkfs.ext4 here"
    skip mkfs/force-over-ext4 "no mkfs.ext4 here"
fi
refuses mkfs/missing-directory 1 "^wtcli: .*No such file" "$WTCLI" mkfs --size 64M "$WORK/none/a.img"
succeeds check/fresh "$WTCLI" check "$image"
run "$WTCLI" check --json "$image"
valid_json check/json "$OUT" '.clean == true and .damage_count == 0'
refuses check/missing 2 "^wtcli: .*No such file" "$WTCLI" check "$WORK/none.img"
truncate -s 128M "$WORK/blank.img"
refuses check/not-a-volume 2 "no(t a)?( wt)? volume" "$WTCLI" check "$WORK/blank.img"
succeeds info/device "$WTCLI" info "$image"
run "$WTCLI" --json info "$image"
valid_json info/device-json "$OUT" 'type == "object"'
refuses info/not-a-volume 1 "no(t a)?( wt)? volume" "$WTCLI" info "$WORK/blank.img"
rm -f "$WORK"/{sparse,ext4,blank,small}.img

# ---- a server --------------------------------------------------------------------------------------
if ! wtd_start "$image"; then
    not_ok server/start "$REASON"
    finish
fi
ok server/start
refuses mkfs/refuses-a-served-volume 1 "in use" "$WTCLI" mkfs --force "$image"
run "$WTCLI" ping
[[ $STATUS == 0 && $OUT == *"round trip "*" us" ]]
verdict ping $? "$OUT $ERR"
run "$WTCLI" ping --json
valid_json ping/json "$OUT" '.round_trip_us > 0'
succeeds ping/reconnect "$WTCLI" --reconnect 1 ping

# ---- put and get -----------------------------------------------------------------------------------
tree=$WORK/tree
mkdir -p "$tree/empty dir" "$tree/deep/er/still" "$tree/sealed"
: >"$tree/empty"
printf x >"$tree/one byte"
head -c 4095 /dev/urandom >"$tree/4095"
head -c 4097 /dev/urandom >"$tree/deep/4097"
head -c 1234567 /dev/urandom >"$tree/deep/er/1234567"
head -c $((6 << 20)) /dev/urandom >"$tree/big"
printf 'a' >"$tree"/$'new\nline'
printf 'b' >"$tree"/$'\001\033[31m control'
printf 'c' >"$tree"/$'\377\376 not utf-8'
printf 'd' >"$tree/gr\\\"ün"
printf 'e' >"$tree/-dash"
printf 'f' >"$tree/.hidden"
printf 'g' >"$tree/$(printf 'n%.0s' {1..255})"
printf 'h' >"$tree/sealed/inside"
for i in {1..300}; do echo "$i" >"$tree/deep/er/still/$i"; done
ln -s ../4095 "$tree/deep/link"
ln -s "nowhere at all" "$tree/dangling"
chmod 640 "$tree/4095"
chmod 751 "$tree/deep"
chmod 555 "$tree/sealed"

same_trees() { # same_trees NAME A B: contents, kinds, link targets and modes
    local a b
    a=$(cd "$2" && find . -printf '%P\0%y\0%m\0%l\n' | sort -z | od -c)
    b=$(cd "$3" && find . -printf '%P\0%y\0%m\0%l\n' | sort -z | od -c)
    if ! diff -r --no-dereference "$2" "$3" >"$WORK/.diff" 2>&1; then
        not_ok "$1" "$(head -n 3 "$WORK/.diff")"
    elif [[ $a != "$b" ]]; then
        not_ok "$1" "names, kinds or modes differ"
    else
        ok "$1"
    fi
}

umask 022
succeeds put/tree "$WTCLI" put -r "$tree" /copy
succeeds get/tree "$WTCLI" get -r /copy "$WORK/back"
same_trees put-get/tree "$tree" "$WORK/back"
succeeds put/into-directory "$WTCLI" put -r "$tree" /copy
succeeds stat/put-into-directory "$WTCLI" stat /copy/tree/deep/4097
succeeds put/again-over "$WTCLI" put -r "$tree/." /copy
succeeds get/into-directory "$WTCLI" get /copy/4095 "$WORK/back"
cmp -s "$tree/4095" "$WORK/back/4095"
verdict get/file-same $?
refuses put/directory-without-r 1 "is a directory" "$WTCLI" put "$tree" /copy2
refuses get/directory-without-r 1 "is a directory" "$WTCLI" get /copy "$WORK/back2"
refuses put/missing 1 "^wtcli: $WORK/none: No such file" "$WTCLI" put "$WORK/none" /
refuses get/missing 1 "^wtcli: /none: No such file" "$WTCLI" get /none "$WORK/x"
refuses put/over-directory 1 "^wtcli: " "$WTCLI" put -r "$tree" /copy/4095
echo hello | "$WTCLI" put - /stdin
is put/stdin hello "$("$WTCLI" get /stdin -)"
is cat hello "$("$WTCLI" cat /stdin)"
head -c 3000001 /dev/urandom >"$WORK/odd"
"$WTCLI" put - /odd <"$WORK/odd"
"$WTCLI" get /odd - | cmp -s - "$WORK/odd"
verdict get/stdout $?
# shellcheck disable=SC2002  # a pipe on purpose
cat "$WORK/odd" | "$WTCLI" put - /odd2
"$WTCLI" cat /odd2 | cmp -s - "$WORK/odd"
verdict put/pipe $?
refuses put/stdin-to-directory 1 "is a directory" "$WTCLI" put - / </dev/null
: | "$WTCLI" put - /nothing
is put/empty-stdin 0 "$("$WTCLI" stat --json /nothing | grep -o '"size":[^,]*' | tr -dc 0-9)"
"$WTCLI" cat /odd | head -c 10 >/dev/null
((PIPESTATUS[0] == 141 || PIPESTATUS[0] == 1 || PIPESTATUS[0] == 0))
verdict cat/sigpipe-quiet $?
err=$({ "$WTCLI" cat /odd | true; } 2>&1)
is cat/sigpipe-says-nothing "" "$err"
chmod 4755 "$WORK/odd"
touch -d '2001-02-03 04:05:06.789012345' "$WORK/odd"
succeeds put/archive "$WTCLI" put -a "$WORK/odd" /archived
"$WTCLI" get /archived - | cmp -s - "$WORK/odd"
verdict put/archive-content $?
run "$WTCLI" stat --json /archived
valid_json put/archive-status "$OUT" ".[0].mode == \"4755\" and .[0].mtime == \"$(stat -c %.9Y "$WORK/odd")\""
umask 077
"$WTCLI" put "$tree/4095" /masked
is put/umask-mode -rw------- "$("$WTCLI" ls -l /masked | cut -c1-10)"
umask 022
mkfifo "$WORK/special" && mkdir "$WORK/mixed" && mv "$WORK/special" "$WORK/mixed/fifo" && echo 1 >"$WORK/mixed/file"
refuses put/special-file 1 "^wtcli: $WORK/mixed/fifo: skipped" "$WTCLI" put -r "$WORK/mixed" /mixed
is put/goes-on-after-special 1 "$("$WTCLI" cat /mixed/file)"
# Holes.
truncate -s 64M "$WORK/holes"
printf data | dd of="$WORK/holes" bs=1 seek=$((32 << 20)) conv=notrunc status=none
started=$SECONDS
succeeds put/sparse "$WTCLI" put "$WORK/holes" /holes
succeeds get/sparse "$WTCLI" get /holes "$WORK/holes.back"
cmp -s "$WORK/holes" "$WORK/holes.back"
verdict put-get/sparse-same $?
allocated=$("$WTCLI" du /holes | cut -f1)
((allocated < 1 << 20))
verdict put/keeps-holes $? "$allocated bytes allocated"
(($(stat -c '%b * 512' "$WORK/holes.back") < 1 << 20))
verdict get/keeps-holes $?
((SECONDS - started < 20))
verdict put-get/sparse-quick $?
rm -rf "$WORK"/{holes,holes.back,mixed,back}

# ---- listing ---------------------------------------------------------------------------------------
"$WTCLI" mkdir /l && echo 12345 | "$WTCLI" put - /l/b && "$WTCLI" mkdir /l/a && : | "$WTCLI" put - /l/.h
"$WTCLI" ln -s b /l/c
is ls/names $'a\nb\nc' "$("$WTCLI" ls /l)"
is ls/all $'.\n..\n.h\na\nb\nc' "$("$WTCLI" ls -a /l)"
is ls/option-before-command $'.\n..\n.h\na\nb\nc' "$("$WTCLI" -a ls /l)"
is ls/nul 'a b c ' "$("$WTCLI" ls -0 /l | tr '\0' ' ')"
is ls/recursive $'/l:\na\nb\nc\n\n/l/a:' "$("$WTCLI" ls -R /l)"
is ls/file /l/b "$("$WTCLI" ls /l/b)"
run "$WTCLI" ls -l /l
long=$'^drwxr-xr-x .* a\n-rw-r--r-- .* 6 .* b\nlrwxrwxrwx .* c -> b$'
[[ $OUT =~ $long ]]
verdict ls/long $? "$OUT"
run "$WTCLI" ls --json /l
valid_json ls/json "$OUT" 'map(.name) == ["a","b","c"] and .[1].size == 6 and .[2].target == "b"'
run "$WTCLI" ls --json /l/a
valid_json ls/json-empty "$OUT" '. == []'
refuses ls/missing 1 "^wtcli: /nowhere: No such file or directory$" "$WTCLI" ls /nowhere
refuses ls/one-missing-of-two 1 "^wtcli: /nowhere: " "$WTCLI" ls /l /nowhere
printf '%s\0' a b c | cmp -s - <("$WTCLI" ls -0 /l)
verdict ls/nul-exact $?
if script -qec true /dev/null >/dev/null 2>&1 </dev/null; then
    seen=$(script -qec "$WTCLI ls /copy" /dev/null </dev/null | tr -d '\r')
    # shellcheck disable=SC1003
    [[ $seen == *'new\nline'* && $seen == *'\001\033[31m control'* && $seen == *'\377\376'* ]]
verdict ls/escapes-on-a-terminal $? "$(cat -v <<<"$seen" | head -n 8)"
else
    skip ls/escapes-on-a-terminal "no script(1), or no terminals, here"
fi
run "$WTCLI" stat /l/b
[[ $STATUS == 0 && $OUT == *"Size: 6"* ]]
verdict stat $? "$OUT $ERR"
run "$WTCLI" stat --json /l/b /l/a
valid_json stat/json "$OUT" 'length == 2 and .[0].type == "file" and .[1].type == "directory"'
refuses stat/missing 1 "^wtcli: /nowhere: No such file or directory$" "$WTCLI" stat /nowhere
run "$WTCLI" du /l
[[ $STATUS == 0 && $OUT =~ ^[0-9]+$'\t'/l/a$'\n'[0-9]+$'\t'/l$ ]]
verdict du $? "$OUT $ERR"
succeeds du/human "$WTCLI" du -h /
run "$WTCLI" du --json /l
valid_json du/json "$OUT" '.[-1].path == "/l" and .[-1].files == 3'
succeeds df "$WTCLI" df -h
run "$WTCLI" df --json
valid_json df/json "$OUT" '.size_bytes > 0 and .available_bytes > 0 and .used_bytes > 0'

# ---- names -----------------------------------------------------------------------------------------
succeeds mkdir "$WTCLI" mkdir /n
refuses mkdir/exists 1 "^wtcli: /n: File exists$" "$WTCLI" mkdir /n
succeeds mkdir/parents "$WTCLI" mkdir -p /n/a/b/c
succeeds mkdir/parents-again "$WTCLI" mkdir -p n/a/b/c/
refuses mkdir/no-parent 1 "^wtcli: /n/x/y: No such file" "$WTCLI" mkdir /n/x/y
succeeds rmdir "$WTCLI" rmdir /n/a/b/c
refuses rmdir/not-empty 1 "^wtcli: /n/a: Directory not empty$" "$WTCLI" rmdir /n/a
echo content | "$WTCLI" put - /n/file
succeeds mv "$WTCLI" mv /n/file /n/moved
is mv/content content "$("$WTCLI" cat /n/moved)"
succeeds mv/into-directory "$WTCLI" mv /n/moved /n/a
is mv/into-directory-content content "$("$WTCLI" cat /n/a/moved)"
refuses mv/missing 1 "^wtcli: /n/none: No such file" "$WTCLI" mv /n/none /n/x
succeeds ln/hard "$WTCLI" ln /n/a/moved /n/hard
is ln/hard-content content "$("$WTCLI" cat /n/hard)"
run "$WTCLI" stat --json /n/hard
valid_json ln/hard-count "$OUT" '.[0].nlink == 2'
succeeds ln/symbolic "$WTCLI" ln -s a/moved /n/soft
succeeds ln/option-before-command "$WTCLI" -s ln a/moved /n/soft2
is ln/symbolic-content content "$("$WTCLI" cat /n/soft)"
refuses ln/exists 1 "^wtcli: /n/soft: File exists$" "$WTCLI" ln -s x /n/soft
succeeds chmod "$WTCLI" chmod 600 /n/hard
is chmod/octal -rw------- "$("$WTCLI" ls -l /n/hard | cut -c1-10)"
"$WTCLI" chmod u+x,go=r /n/hard
is chmod/symbolic -rwxr--r-- "$("$WTCLI" ls -l /n/hard | cut -c1-10)"
"$WTCLI" chmod a-x,+t /n/a
is chmod/sticky drw-r--r-T "$("$WTCLI" ls -l /n | grep ' a$' | cut -c1-10)"
"$WTCLI" chmod 755 /n/a
if ((EUID == 0)); then
    succeeds chown "$WTCLI" chown 1234:4321 /n/hard
    run "$WTCLI" stat --json /n/hard
    valid_json chown/status "$OUT" '.[0].uid == 1234 and .[0].gid == 4321'
    succeeds chown/group-only "$WTCLI" chown :0 /n/hard
    succeeds chown/by-name "$WTCLI" chown root /n/hard
else
    skip chown "needs root"
fi
refuses chown/nobody-of-that-name 1 "no such user" "$WTCLI" chown no-such-user /n/hard
succeeds truncate "$WTCLI" truncate -s 10K /n/sized
run "$WTCLI" stat --json /n/sized
valid_json truncate/size "$OUT" '.[0].size == 10240'
"$WTCLI" truncate /n/sized -s 3
is truncate/cut 3 "$("$WTCLI" cat /n/sized | wc -c)"
succeeds rm "$WTCLI" rm /n/sized /n/soft
refuses rm/directory 1 "^wtcli: /n/a: Is a directory$" "$WTCLI" rm /n/a
refuses rm/missing 1 "^wtcli: /n/none: No such file" "$WTCLI" rm /n/none
refuses rm/root 1 "will not remove" "$WTCLI" rm -r /
succeeds rm/tree "$WTCLI" rm -r /n
refuses rm/tree-is-gone 1 "^wtcli: /n: No such file" "$WTCLI" ls /n
succeeds rm/odd-names "$WTCLI" rm -r /copy
succeeds sync "$WTCLI" sync

# ---- figures ---------------------------------------------------------------------------------------
succeeds stats "$WTCLI" stats
run "$WTCLI" stats --json
valid_json stats/json "$OUT" '[.device_reads, .device_writes, .device_flushes, .merges, .atomic_in_place,
    .atomic_out_of_place, .cache_hits, .cache_misses, .sessions] | all(type == "number")'
succeeds info/server "$WTCLI" info
run "$WTCLI" info --json
valid_json info/server-json "$OUT" '.size_bytes > 0 and (.stats | type == "object")'
for pattern in read write randread randwrite append; do
    run "$WTCLI" bench --rw "$pattern" --size 8M --time 0.3 --depth 4 --json
    valid_json "bench/$pattern" "$OUT" '.iops > 0 and .bytes_per_s > 0 and .p50_us > 0 and .p99_us >= .p50_us
        and .p999_us >= .p99_us'
done
for level in behind through stable; do
    succeeds "bench/level-$level" "$WTCLI" bench --rw randwrite --size 4M --time 0.2 --level "$level"
done
succeeds bench/large-requests "$WTCLI" bench --rw write --bs 2M --size 8M --time 0.2 --depth 2
is bench/leaves-nothing "" "$("$WTCLI" ls -a / | grep bench)"
"$WTCLI" bench --size 4M --time 30 >/dev/null 2>&1 &
bench_pid=$!
sleep 0.7
# A background job of a script ignores SIGINT unless it catches it, which bench does.
kill -INT "$bench_pid" 2>/dev/null
wait "$bench_pid"
is bench/interrupted 1 $?
is bench/interrupted-leaves-nothing "" "$("$WTCLI" ls -a / | grep bench)"

# ---- a server that is silent, or lost --------------------------------------------------------------
kill -STOP "$WTD_PID"
started=${EPOCHREALTIME/./}
run "$WTCLI" ping
took_ms=$(((${EPOCHREALTIME/./} - started) / 1000))
kill -CONT "$WTD_PID"
((STATUS == 1 && took_ms <= 1100))
verdict silent-server/ping $? "exit $STATUS after $took_ms ms"
"$WTCLI" bench --size 4M --time 30 >/dev/null 2>"$WORK/lost.err" &
bench_pid=$!
sleep 0.7
wtd_kill
wait "$bench_pid"
status=$?
((status == 1)) && grep -q '^wtcli: .*server' "$WORK/lost.err"
verdict lost-server/bench $? "exit $status: $(cat "$WORK/lost.err")"
if wtd_start "$image"; then
    is restart/content 12345 "$("$WTCLI" cat /l/b)"
    if wtd_stop; then ok stop; else not_ok stop "$REASON"; fi
    succeeds check/after-all "$WTCLI" check "$image"
else
    not_ok restart/content "$REASON"
fi
finish
