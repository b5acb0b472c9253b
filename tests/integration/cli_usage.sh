#!/usr/bin/env bash
# What each command of wtcli says to bad input, by name: wrong options, operands too few and too many, numbers and
# words that make no sense, files that are not there, places where one may not go.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

image=$WORK/a.img
if ! make_image "$image" 64M || ! wtd_start "$image"; then
    not_ok start "$REASON"
    finish
fi
usage() { # usage NAME PATTERN WORD...: exit 2, one line with the pattern, and the hint
    local name=$1 pattern=$2
    shift 2
    run "$WTCLI" "$@"
    if ((STATUS == 2)) && grep -Eq -- "^wtcli: .*$pattern" <<<"$ERR" && [[ $(tail -n 1 <<<"$ERR") == "Try \`--help'." ]] &&
        (($(wc -l <<<"$ERR") == 2)) && [[ -z $OUT ]]; then
        ok "$name"
    else
        not_ok "$name" "exit $STATUS: $ERR $OUT"
    fi
}

# Every command of --help: an option nobody has, an option of another, an argument that is missing.
for command in $("$WTCLI" --help | sed -n 's/^  \([a-z]*\) .*/\1/p'); do
    usage "option-unknown/$command" "$command: option --nonsense is unknown" "$command" --nonsense
    usage "option-letter/$command" "$command: option -Z is unknown" "$command" -Z
    usage "option-needs-argument/$command" "$command: option --socket needs an argument" "$command" --socket
    usage "option-takes-none/$command" "$command: option --quiet=x takes no argument" "$command" --quiet=x
    run "$WTCLI" "$command" --help
    [[ $STATUS == 0 && $OUT == "wtcli $command "* && -z $ERR ]]
    verdict "help/$command" $? "$OUT $ERR"
done
for words in mkfs check "dump journal" stat cat "put a" "get a" "cp a" archive rm "mv a" mkdir rmdir "ln a" "chmod 644" \
    "chown 0" "truncate -s 1"; do
    # shellcheck disable=SC2086
    usage "operand-missing/${words%% *}" "(operand is missing|wants DEV)" $words
done
for words in "mkfs a b" "check a b" "info a b" "dump inode a 1 2" "ping a" "put a b c" "get a b c" "cp a b c" "restore a b" \
    "ln a b c" "df a" "sync a" "stats a" "bench a b"; do
    # shellcheck disable=SC2086
    usage "operand-too-many/${words%% *}" "too many operands" $words
done
for size in "" x 1Q -1 1.5G 0x10 99999999999999999999 9999999T " 1" 1KK; do
    usage "size/mkfs/$size" "mkfs: --size wants" mkfs --size "$size" "$WORK/x"
    usage "size/truncate/$size" "truncate: -s wants" truncate -s "$size" /x
    usage "size/bench/$size" "bench: --bs (wants|is at most)" bench --bs "$size"
done
usage size/mkfs/0 "more than 0" mkfs --size 0 "$WORK/x"
usage size/bench/0 "bench: --bs wants" bench --bs 0
usage seconds/reconnect "--reconnect wants" --reconnect soon ping
usage seconds/negative "--reconnect wants" --reconnect -1 ping
usage seconds/bench "--time wants" bench --time never
usage word/rw "--rw wants" bench --rw sideways
usage word/level "--level wants" bench --level firm
usage word/dump "none of superblock" dump everything "$image"
usage number/depth "--depth wants" bench --depth many
usage number/depth-too-large "at most" bench --depth 5000
usage both/stats "not both" stats --json --prometheus
for mode in "" 8 77777 u+q rwx "u~x" "u+x,"; do
    usage "mode/$mode" "chmod: .* is not a mode" chmod "$mode" /
done
refuses owner/unknown 1 "^wtcli: nobody-here: no such user$" wtcli chown nobody-here /
refuses owner/unknown-group 1 "^wtcli: 0:nobody-here: no such group$" wtcli chown 0:nobody-here /
refuses owner/empty 1 "^wtcli: : names neither owner nor group$" wtcli chown "" /

# Not there, or not what it should be.
echo x | wtcli put - /file && wtcli mkdir /directory && wtcli ln -s loop /loop
for words in "ls /none" "stat /none" "cat /none" "get /none $WORK/x" "cp /none /x" "archive /none" "rm /none" "rm -r /none" \
    "mv /none /x" "rmdir /none" "ln /none /x" "chmod 644 /none" "chown 0 /none" "du /none" "put $WORK/none /x"; do
    # shellcheck disable=SC2086
    refuses "missing/${words% /*}" 1 "^wtcli: (/none|$WORK/none): No such file or directory$" "$WTCLI" $words
done
refuses missing/parent 1 "^wtcli: /none/x: No such file or directory$" wtcli mkdir /none/x
refuses missing/local-parent 1 "^wtcli: $WORK/none/x: No such file or directory$" wtcli get /file "$WORK/none/x"
refuses wrong-type/cat 1 "^wtcli: /directory: Is a directory$" wtcli cat /directory
refuses wrong-type/rmdir 1 "^wtcli: /file: Not a directory$" wtcli rmdir /file
refuses wrong-type/below-a-file 1 "^wtcli: /file/x: Not a directory$" wtcli stat /file/x
refuses wrong-type/mv 1 "^wtcli: /file: Not a directory$" wtcli mv /directory /loop /file
refuses wrong-type/mkdir 1 "^wtcli: /file: (Not a directory|File exists)$" wtcli mkdir -p /file/x
refuses loop/cat 1 "^wtcli: /loop: Too many levels of symbolic links$" wtcli cat /loop
refuses long/name 1 "File name too long$" wtcli mkdir "/$(printf 'n%.0s' {1..256})"
refuses long/path 1 "File name too long$" wtcli stat "/$(printf 'nn/%.0s' {1..1500})"
refuses empty/path 1 "^wtcli: : No such file or directory$" wtcli stat ""
usage socket/empty "--socket wants" --socket "" ping
refuses below-itself/mv 1 "^wtcli: /directory: Invalid argument$" wtcli mv /directory /directory/x
refuses full/put 1 "^wtcli: /zero: No space left on device$" bash -c "head -c 100M /dev/zero | '$WTCLI' put - /zero"
wtcli rm /zero
refuses full/truncate-too-large 1 "^wtcli: /file: File too large$" wtcli truncate -s 4000000T /file
if [[ -c /dev/full ]]; then
    refuses full/output 1 "^wtcli: standard output: No space left on device$" bash -c "'$WTCLI' cat /file >/dev/full"
    refuses full/listing 1 "^wtcli: standard output: No space left on device$" bash -c "'$WTCLI' ls --json / >/dev/full"
fi

# Somebody without rights.
if ((EUID == 0)) && setpriv --reuid=65534 --regid=65534 --clear-groups true 2>/dev/null; then
    # shellcheck disable=SC2317  # refuses and run call it
    as_user() { setpriv --reuid=65534 --regid=65534 --clear-groups "$WTCLI" "$@"; }
    refuses denied/socket 1 "^wtcli: $WT_SOCKET: the socket is not open to this user: Permission denied$" as_user ping
    chmod 666 "$WT_SOCKET"
    wtcli mkdir /closed && wtcli chmod 700 /closed && echo x | wtcli put - /closed/file && wtcli chmod 600 /file
    for words in "ls /closed" "stat /closed/file" "cat /file" "get /file $WORK/x" "cp /file /y" "rm /file" "mv /file /y" \
        "mkdir /y" "rmdir /directory" "ln -s x /y" "truncate -s 1 /file" "du /closed" "archive /file" "put $0 /y"; do
        # shellcheck disable=SC2086
        refuses "denied/${words%% *}" 1 "^wtcli: [^ ]*: Permission denied$" as_user $words
    done
    refuses denied/chmod 1 "^wtcli: /directory: Operation not permitted$" as_user chmod 777 /directory
    refuses denied/chown 1 "^wtcli: /directory: Operation not permitted$" as_user chown 65534 /directory
    chmod 600 "$image"
    wtd_stop
    for command in "check" "info" "dump superblock" "mkfs --force"; do
        # shellcheck disable=SC2086
        run as_user $command "$image"
        ((STATUS != 0)) && grep -Eq "^wtcli: $image: .*(Permission denied|permission)" <<<"$ERR"
        verdict "denied/${command%% *}" $? "exit $STATUS: $ERR"
    done
else
    skip denied "needs root, who becomes somebody else"
fi
finish
