#!/usr/bin/env bash
# wtcli put, get and cp of trees: what a copy keeps, what it says of what it cannot keep, --verify, and what
# happens when the server goes away in the middle.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

image=$WORK/a.img
if ! make_image "$image" 256M || ! wtd_start "$image"; then
    not_ok start "$REASON"
    finish
fi
umask 022

# everything DIR: kind, mode, links, size, mtime, target and name of all below it; owner too with an argument.
everything() {
    (cd "$1" && find . -mindepth 1 -printf "%y %m %n %s %T@ ${2:+%U:%G} %l %P\n" | sed -E '/^d/ s/^(d [0-9]+) [0-9]+ [0-9]+/\1/' |
        LC_ALL=C sort)
}
same() { # same NAME A B [owners]
    local a b
    a=$(everything "$2" ${4:+x})
    b=$(everything "$3" ${4:+x})
    if ! diff -r --no-dereference "$2" "$3" >"$WORK/.diff" 2>&1; then
        not_ok "$1" "$(head -n 3 "$WORK/.diff")"
    else
        [[ $a == "$b" ]]
        verdict "$1" $? "$(diff <(echo "$a") <(echo "$b") | head -n 4)"
    fi
}
field() { jq -r "$1" <<<"$OUT"; }

# ---- a tree with everything that can be kept -------------------------------------------------------
tree=$WORK/tree
mkdir -p "$tree/a/b/c" "$tree/sealed" "$tree/empty"
echo one >"$tree/a/one"
ln "$tree/a/one" "$tree/a/b/second name"
ln "$tree/a/one" "$tree/third"
ln -s ../one "$tree/a/b/link"
ln -s "nowhere at all" "$tree/dangling"
head -c 2500000 /dev/urandom >"$tree/large"
: >"$tree/a/nothing"
echo inside >"$tree/sealed/inside"
truncate -s 32M "$tree/holes"
printf x | dd of="$tree/holes" bs=1 seek=$((9 << 20)) conv=notrunc status=none
truncate -s 4M "$tree/hole only"
head -c 70000 /dev/urandom >"$tree/data then hole"
truncate -s 3M "$tree/data then hole"
chmod 666 "$tree/a/one"
chmod 640 "$tree/large"
chmod 400 "$tree/a/nothing"
chmod 777 "$tree/a/b"
touch -h -d '2001-02-03 04:05:06.123456789' "$tree/a/b/link" "$tree/a/one"
touch -d '1969-12-31 12:00:00.5' "$tree/large"
touch -d '2033-03-03 03:03:03.000000003' "$tree/a/b"
chmod 555 "$tree/sealed"
touch -d '1999-09-09 09:09:09.9' "$tree/sealed" "$tree/a" "$tree/empty"

succeeds put/tree wtcli put -r "$tree" /copy
succeeds get/tree wtcli get -r /copy "$WORK/back"
same put-get/content-modes-times-links "$tree" "$WORK/back"
for file in holes "hole only" "data then hole"; do
    wanted=$(stat -c '%b' "$tree/$file")
    run wtcli du "/copy/$file"
    ((${OUT%%$'\t'*} <= wanted * 512 + 65536))
    verdict "put/keeps-holes/$file" $? "$OUT, the source has $wanted blocks"
    got=$(stat -c '%b' "$WORK/back/$file")
    ((got <= wanted + 128))
    verdict "get/keeps-holes/$file" $? "$got blocks, the source has $wanted"
done
run wtcli stat --json "/copy/a/one" "/copy/a/b/second name" /copy/third
is put/hard-links-are-one-file "3 1" "$(field '"\(.[0].nlink) \([.[].ino] | unique | length)"')"
is get/hard-links-are-one-file 1 \
    "$(stat -c %i "$WORK/back/a/one" "$WORK/back/a/b/second name" "$WORK/back/third" | sort -u | wc -l)"
# Over what is there: the same again, and over names that mean something else.
wtcli rm /copy/third && wtcli ln -s nowhere /copy/third && wtcli rm /copy/dangling && wtcli truncate -s 5 /copy/dangling
succeeds put/over-a-copy wtcli put -r "$tree/." /copy
rm -rf "$WORK/back"
succeeds get/after-over wtcli get -r /copy "$WORK/back"
same put/over-a-copy-same "$tree" "$WORK/back"
succeeds get/over-a-copy wtcli get -r /copy/. "$WORK/back"
same get/over-a-copy-same "$tree" "$WORK/back"

# ---- inside the volume -----------------------------------------------------------------------------
succeeds cp/tree wtcli cp -r /copy /copy2
rm -rf "$WORK/back"
wtcli get -r /copy2 "$WORK/back"
same cp/same "$tree" "$WORK/back"
run wtcli du /copy2/holes
((${OUT%%$'\t'*} < 1 << 20))
verdict cp/keeps-holes $? "$OUT"
succeeds cp/file wtcli cp /copy/large /large
wtcli cat /large | cmp -s - "$tree/large"
verdict cp/file-same $?
succeeds cp/into-directory wtcli cp /copy/a/one /copy2/empty
is cp/into-directory-content one "$(wtcli cat /copy2/empty/one)"
refuses cp/onto-itself 1 "^wtcli: /copy/large: is the same file as /copy/../copy/large$" \
    wtcli cp /copy/large /copy/../copy/large
wtcli cat /copy/large | cmp -s - "$tree/large"
verdict cp/onto-itself-leaves-it $?
refuses cp/directory-without-r 1 "^wtcli: /copy: is a directory; use -r$" wtcli cp /copy /copy3
refuses cp/into-itself 1 "^wtcli: /copy2/a/self: skipped: it is the copy itself$" wtcli cp -r /copy2 /copy2/a/self
refuses cp/missing 1 "^wtcli: /none: No such file or directory$" wtcli cp /none /x
wtcli rm -r /copy2

# ---- -a --------------------------------------------------------------------------------------------
if ((EUID == 0)); then
    chown 1234:4321 "$tree/large" "$tree/a"
    chown -h 77:88 "$tree/a/b/link" "$tree/dangling"
    chmod 6751 "$tree/large"
    chmod 1777 "$tree/a/b"
    touch -d '1969-12-31 12:00:00.5' "$tree/large"
    succeeds put/archive-owners wtcli put -a "$tree" /archived
    succeeds cp/archive-owners wtcli cp -a /archived /archived2
    succeeds get/archive-owners wtcli get -a /archived2 "$WORK/archived"
    same archive/all-kept "$tree" "$WORK/archived" owners
    wtcli cp -r /archived /plain
    run wtcli stat --json /plain/large
    is cp/without-a-no-owner-no-setuid "0 0751" "$(field '.[0] | "\(.uid) \(.mode)"')"
    wtcli rm -r /archived /archived2 /plain
    chmod 640 "$tree/large"
    # Somebody who may not give files away: no failure, the files are theirs and do not run as another.
    if command -v setpriv >/dev/null && setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null; then
        echo program >"$WORK/program" && chmod 4755 "$WORK/program"
        wtcli mkdir /theirs && wtcli chmod 777 /theirs && chmod 666 "$WT_SOCKET"
        succeeds put/archive-as-user setpriv --reuid=65534 --regid=65534 --clear-groups \
            "$WTCLI" put -a "$WORK/program" /theirs/program
        run wtcli stat --json /theirs/program
        is put/archive-as-user-no-setuid "65534 0755" "$(field '.[0] | "\(.uid) \(.mode)"')"
        refuses put/permission-denied 1 "^wtcli: /denied: Permission denied$" \
            setpriv --reuid=65534 --regid=65534 --clear-groups "$WTCLI" put "$WORK/program" /denied
    else
        skip put/archive-as-user "cannot become another user here"
    fi
else
    skip put/archive-owners "needs root"
fi

# ---- what cannot be kept, errors in the middle -----------------------------------------------------
mkdir "$WORK/mixed"
echo 1 >"$WORK/mixed/before" && echo 2 >"$WORK/mixed/zafter"
mkfifo "$WORK/mixed/fifo"
refuses put/fifo 1 "^wtcli: $WORK/mixed/fifo: skipped: a fifo cannot be kept$" wtcli put -r "$WORK/mixed" /mixed
is put/goes-on 12 "$(wtcli cat /mixed/before /mixed/zafter | tr -d '\n')"
run wtcli put -r --json "$WORK/mixed" /mixed2
is put/json "1 2 1 4 1 false" \
    "$STATUS $(field '"\(.files) \(.directories) \(.bytes) \(.failures) \(.verified)"')"
wtcli mkdir /mixed3 && wtcli mkdir /mixed3/before
refuses put/file-over-directory 1 "^wtcli: /mixed3/\./before: Is a directory$" wtcli put -r "$WORK/mixed/." /mixed3
is put/goes-on-after-error 2 "$(wtcli cat /mixed3/zafter)"
mkdir -p "$WORK/many/d" && for i in {1..30}; do mkfifo "$WORK/many/d/$i"; done
run wtcli put -r "$WORK/many" /many
is put/many-failures-are-counted "1 11 wtcli: and 20 more failures like these" \
    "$STATUS $(wc -l <<<"$ERR") $(tail -n 1 <<<"$ERR")"
rm -rf "$WORK/many" "$WORK/mixed"

# ---- --verify --------------------------------------------------------------------------------------
run wtcli put -r --verify --json "$tree" /verified
is put/verify "0 true " "$STATUS $(field .verified) $ERR"
run wtcli cp -r --verify --json /verified /verified2
is cp/verify "0 true " "$STATUS $(field .verified) $ERR"
rm -rf "$WORK/back"
run wtcli get -r --verify --json /verified "$WORK/back"
is get/verify "0 true " "$STATUS $(field .verified) $ERR"
refuses put/verify-stdin 2 "cannot read \`-' a second time" wtcli put --verify - /x
# A file of /proc has no size until it is read: the copy is longer than its source says.
refuses put/verify-length 1 "^wtcli: /version: differs from /proc/version: it has [0-9]+ bytes, not 0$" \
    wtcli put --verify /proc/version /version
# A source that changes all the time: sooner or later it was one thing when copied, another when compared.
printf 'aaaaaaaaA' >"$WORK/changing"
(while :; do
    printf 'aaaaaaaaB' 1<>"$WORK/changing"
    printf 'aaaaaaaaA' 1<>"$WORK/changing"
done) &
changer=$!
for ((i = 0; i < 200; i++)); do
    run wtcli put --verify "$WORK/changing" /changing
    ((STATUS != 0)) && break
done
kill "$changer" && wait "$changer" 2>/dev/null
is put/verify-finds-a-difference "1 wtcli: /changing: differs from $WORK/changing at byte 8" "$STATUS $ERR"
wtcli rm -r /verified /verified2

# ---- many small files ------------------------------------------------------------------------------
many=$WORK/many
mkdir -p "$many"/{0..4}
for i in {0..999}; do echo "content of $i" >"$many/$((i % 5))/$i"; done
succeeds put/thousand-files wtcli put -r "$many" /many2
rm -rf "$WORK/back"
wtcli get -r /many2 "$WORK/back"
same put-get/thousand-files-same "$many" "$WORK/back"
# Killed in the middle, with a server that comes back: all of it is there in the end.
wtcli put -r --reconnect 30 "$many" /again 2>"$WORK/again.err" &
putter=$!
for ((i = 0; i < 500; i++)); do
    [[ -n $(wtcli ls /again 2>/dev/null) ]] && break
done
wtd_kill
sleep 0.2
if ! wtd_start "$image"; then
    not_ok restart "$REASON"
    finish
fi
wait "$putter"
is put/reconnect-exit 0 $?
is put/reconnect-is-quiet "" "$(cat "$WORK/again.err")"
rm -rf "$WORK/back"
wtcli get -r /again "$WORK/back"
same put/reconnect-all-there "$many" "$WORK/back"
# The same without --reconnect is a failure, said once.
wtcli put -r "$many" /lost 2>"$WORK/lost.err" &
putter=$!
for ((i = 0; i < 500; i++)); do
    [[ -n $(wtcli ls /lost 2>/dev/null) ]] && break
done
wtd_kill
wait "$putter"
status=$?
((status == 1)) && [[ $(grep -c . "$WORK/lost.err") == 1 ]] && grep -Eq '^wtcli: .*the server (was lost|is gone)' "$WORK/lost.err"
verdict put/lost-server $? "exit $status: $(cat "$WORK/lost.err")"
if ! wtd_start "$image"; then
    not_ok restart "$REASON"
    finish
fi
# One that stops answering ends the command too, not after a second but in time.
: | (sleep 60 & echo $! >"$WORK/sleeper"; wait) | wtcli put - /hung >"$WORK/hung.out" 2>"$WORK/hung.err" &
putter=$!
sleep 0.5
kill -STOP "$WTD_PID"
kill "$(cat "$WORK/sleeper")"
wait "$putter"
status=$?
kill -CONT "$WTD_PID"
is put/hung-server "1 wtcli: $WT_SOCKET: the server has stopped answering; whether the last requests were done is unknown" \
    "$status $(cat "$WORK/hung.err")"
succeeds put/after-hung wtcli put "$many/0/0" /after
if wtd_stop; then ok stop; else not_ok stop "$REASON"; fi
succeeds check wtcli check "$image"
chmod -R u+w "$WORK"
finish
