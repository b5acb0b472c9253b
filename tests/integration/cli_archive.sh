#!/usr/bin/env bash
# wtcli archive and restore: tar(1) reads what we write, we read what tar(1) writes in its formats, and a stream
# that lies gets nowhere.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
command -v tar >/dev/null || { skip archive "no tar here"; finish; }

image=$WORK/a.img
if ! make_image "$image" 128M || ! wtd_start "$image"; then
    not_ok start "$REASON"
    finish
fi
everything() {
    (cd "$1" && find . -mindepth 1 -printf "%y %m %n %s %T@ %U:%G %l %P\n" | sed -E 's/^(d [0-9]+) [0-9]+ [0-9]+ /\1 /' | LC_ALL=C sort)
}
same() { # same NAME A B
    local a b
    a=$(everything "$2")
    b=$(everything "$3")
    diff -r --no-dereference "$2" "$3" >"$WORK/.diff" 2>&1 && [[ $a == "$b" ]]
    verdict "$1" $? "$(head -n 2 "$WORK/.diff") $(diff <(echo "$a") <(echo "$b") | head -n 4)"
}

tree=$WORK/tree
long=$(printf 'n%.0s' {1..250})
mkdir -p "$tree/a/$long/$long" "$tree/empty"
echo one >"$tree/a/one" && ln "$tree/a/one" "$tree/second"
head -c 1500000 /dev/urandom >"$tree/large"
: >"$tree/nothing"
echo deep >"$tree/a/$long/$long/$long"
ln -s "$long/$long" "$tree/long link" && ln -s a/one "$tree/link"
printf x >"$tree/"$'odd \033\377 name'
truncate -s 1M "$tree/hole"
chmod 4750 "$tree/large" && chmod 555 "$tree/empty" && chmod 600 "$tree/a/one"
((EUID == 0)) && chown 3000000:4321 "$tree/nothing" && chown -h 12:34 "$tree/link"
touch -h -d '2001-02-03 04:05:06.123456789' "$tree/link" "$tree/a/one"
touch -d '1960-01-01 00:00:00.25' "$tree/large"
touch -d '2242-03-16 12:56:32.000000001' "$tree/nothing" "$tree/empty" "$tree/a"
wtcli put -a "$tree" /tree

wtcli archive /tree >"$WORK/ours.tar"
is archive/exit 0 $?
mkdir "$WORK/tar-read"
run tar -C "$WORK/tar-read" --same-owner -xpf "$WORK/ours.tar"
# It says that some of the times are odd: they are meant to be.
is archive/tar-reads-it "0 " "$STATUS $(grep -v "time stamp" <<<"$ERR")"
same archive/tar-gets-the-same "$tree" "$WORK/tar-read/tree"
wtcli mkdir /ours
run wtcli restore /ours <"$WORK/ours.tar"
is restore/ours "0 " "$STATUS $ERR"
wtcli get -a /ours/tree "$WORK/back"
same restore/ours-same "$tree" "$WORK/back"
for format in pax gnu; do
    # GNU's own format has whole seconds.
    [[ $format == gnu ]] && find "$tree" -depth -exec touch -h -d '2020-02-02 02:02:02' {} +
    tar --format=$format -C "$WORK" -cf "$WORK/$format.tar" tree 2>/dev/null
    wtcli mkdir /$format
    run wtcli restore /$format <"$WORK/$format.tar"
    is "restore/$format" "0 " "$STATUS $ERR"
    rm -rf "$WORK/back"
    wtcli get -a /$format/tree "$WORK/back"
    same "restore/$format-same" "$tree" "$WORK/back"
done
rm -rf "$WORK/back"
(cd "$tree/a" && tar --format=ustar -cf - one) | wtcli restore /ours
is restore/ustar one "$(wtcli cat /ours/one)"
wtcli archive /tree/a /tree/link | wtcli restore
is restore/to-the-root one "$(wtcli cat /a/one)"
is archive/several "/a /link" "$(wtcli ls /a/one /link >/dev/null && echo /a /link)"

# ---- what must not work ----------------------------------------------------------------------------
refuses archive/missing 1 "^wtcli: /none: No such file or directory$" bash -c "'$WTCLI' archive /none | cat >/dev/null; exit \${PIPESTATUS[0]}"
refuses archive/no-operand 2 "operand is missing" wtcli archive
refuses restore/too-many-operands 2 "too many operands" wtcli restore /a /b
refuses restore/no-archive 1 "^wtcli: standard input: not a tar archive, or damaged$" wtcli restore /ours <"$tree/large"
head -c 400000 "$WORK/ours.tar" >"$WORK/short.tar"
refuses restore/cut-short 1 "^wtcli: (/cut/.*: the archive ends|standard input: not a tar)" wtcli restore /cut <"$WORK/short.tar"
echo secret | wtcli put - /secret
mkdir -p "$WORK/evil" && echo evil >"$WORK/evil/file"
tar -C "$WORK/evil" -P --transform 's,^,../,' -cf "$WORK/evil.tar" file
wtcli mkdir /inside
refuses restore/dot-dot 1 "skipped: the name leads out of the directory" wtcli restore /inside <"$WORK/evil.tar"
tar -C "$WORK/evil" -P --transform 's,^,/,' -cf "$WORK/evil.tar" file
wtcli restore /inside <"$WORK/evil.tar"
is restore/absolute-stays-inside evil "$(wtcli cat /inside/file)"
# A link first, then a name through it: the name makes a directory of its own, the link finds it in its way.
mkdir -p "$WORK/evil/d" && ln -s / "$WORK/evil/link" && echo evil >"$WORK/evil/d/secret"
tar -C "$WORK/evil" -cf "$WORK/evil.tar" link
tar -C "$WORK/evil" --transform 's,^d/,link/,' -rf "$WORK/evil.tar" d/secret
refuses restore/link-then-through-it 1 "^wtcli: /inside/link: File exists$" wtcli restore /inside <"$WORK/evil.tar"
is restore/link-leads-nowhere secret "$(wtcli cat /secret)"
mkfifo "$WORK/evil/fifo"
tar -C "$WORK/evil" -cf "$WORK/fifo.tar" fifo d
refuses restore/fifo 1 "^wtcli: /inside/fifo: skipped: entries of type .6. cannot be kept$" wtcli restore /inside <"$WORK/fifo.tar"
is restore/goes-on evil "$(wtcli cat /inside/d/secret)"
# Bytes at random in the headers: an answer, never a crash.
BAD=
RANDOM=${SEED:-1}
for ((round = 0; round < ${TAR_ROUNDS:-15}; round++)); do
    head -c 20000 "$WORK/pax.tar" >"$WORK/random.tar"
    for _ in 1 2 3; do
        # shellcheck disable=SC2059  # the byte is made by the format
        printf "\\x$(printf %02x $((RANDOM % 256)))" |
            dd of="$WORK/random.tar" bs=1 seek=$((RANDOM % 6000)) conv=notrunc status=none
    done
    timeout 20 "$WTCLI" restore /random <"$WORK/random.tar" >"$WORK/.out" 2>&1
    STATUS=$?
    ((STATUS <= 1)) || { BAD="SEED=${SEED:-1} round $round: exit $STATUS: $(tail -n 2 "$WORK/.out")"; break; }
done
[[ -z $BAD ]]
verdict restore/random-bytes $? "$BAD"
if wtd_stop; then ok stop; else not_ok stop "$REASON"; fi
succeeds check wtcli check "$image"
chmod -R u+w "$WORK"
finish
