#!/usr/bin/env bash
# wtcli on a terminal (tmux) and in pipes: progress that comes, fits and goes; names that cannot play with the
# screen; silence where nobody looks.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
command -v tmux >/dev/null || { skip terminal "no tmux here"; finish; }

TMUX_NAME=wt-it-$$
pane() { tmux -L "$TMUX_NAME" -f /dev/null "$@"; }
# shellcheck disable=SC2317  # the trap calls it
end_terminal() {
    pane kill-server 2>/dev/null
    cleanup
}
trap end_terminal EXIT
unset TMUX
if ! pane new-session -d -x 80 -y 24 "env -i PATH='$PATH' HOME=/ TERM=screen LC_ALL=C.UTF-8 bash --norc --noprofile" 2>/dev/null; then
    skip terminal "tmux cannot start here"
    finish
fi

image=$WORK/a.img
if ! make_image "$image" 128M || ! wtd_start "$image"; then
    not_ok start "$REASON"
    finish
fi

screen() { pane capture-pane -p; }
type_line() { pane send-keys -l -- "$1" && pane send-keys Enter; }
# sees PATTERN: waits until the extended pattern stands on the screen.
sees() {
    local end=$((SECONDS + 20))
    while ((SECONDS < end)); do
        screen | grep -Eq -- "$1" && return 0
        sleep 0.05
    done
    return 1
}
# clean: an empty screen with a prompt. The marker is not on the screen as it is typed.
clean() {
    pane send-keys -R
    type_line "clear; echo re''ady"
    sees '^ready$'
}
type_line "PS1='$ '; export WT_SOCKET='$WT_SOCKET' PATH='$BUILD':\$PATH; cd '$WORK'; stty -echoctl"
sleep 0.2

# ---- progress --------------------------------------------------------------------------------------
# A source that takes its time: it goes on when the test says so.
mkfifo "$WORK/go"
slow="(head -c 3145728 /dev/zero; read -r x <go; head -c 1000 /dev/zero)"
clean
type_line "$slow | wtcli put - /slow; echo do''ne \$?"
sees '^put: 3\.0M, .*/s, [0-9]+ s'
verdict progress/comes $? "$(screen | head -n 5)"
# One line: it has been drawn more than once by now.
sleep 1
is progress/one-line 1 "$(screen | grep -c 'put: ')"
echo >"$WORK/go"
sees '^done 0$'
verdict progress/command-ends $? "$(screen | head -n 5)"
is progress/goes 0 "$(screen | grep -c 'put: ')"
is progress/content 3146728 "$(wtcli cat /slow | wc -c)"

pane resize-window -x 24 -y 24
clean
type_line "$slow | wtcli put - /slow"
sees '^put: 3\.0M, '
sleep 0.5
lines=$(screen | grep -c 'put: \|/s, ')
longest=$(screen | grep 'put: ' | awk '{ print length }')
[[ $lines == 1 && $longest -le 23 ]]
verdict progress/fits-the-width $? "$(screen | head -n 6)"
# The width is asked at each drawing.
pane resize-window -x 80 -y 24
sees '^put: 3\.0M, .*/s, [0-9]+ s'
verdict progress/follows-the-width $? "$(screen | head -n 6)"
echo >"$WORK/go"
sleep 0.3

clean
type_line "$slow | wtcli --quiet put - /slow; echo do''ne \$?"
sleep 1.2
is progress/quiet 0 "$(screen | grep -c 'put: ')"
echo >"$WORK/go"
sees '^done 0$'
clean
type_line "$slow | wtcli put - /slow 2>stderr; echo do''ne \$?"
sleep 1.2
is progress/not-in-a-file "0 0" "$(screen | grep -c 'put: ') $(stat -c %s "$WORK/stderr")"
echo >"$WORK/go"
sees '^done 0$'

# Messages take the line away and stand by themselves; an interrupt leaves no half line.
clean
type_line "(head -c 2097152 /dev/zero; read -r x <go; head -c 99999999999 /dev/zero) | wtcli put - /slow; echo do''ne \$?"
sees '^put: 2\.0M, '
echo >"$WORK/go"
sees '^done 1$'
verdict progress/failure-ends $? "$(screen | head -n 5)"
is progress/message-has-its-line 1 "$(screen | grep -c '^wtcli: /slow: No space left on device$')"
wtcli rm /slow
clean
type_line "(sleep 30) | wtcli put - /slow"
sees '^put: [0-9]+ s'
verdict progress/without-figures $? "$(screen | head -n 5)"
pane send-keys C-c
type_line "echo do''ne \$?"
sees '^done 130$'
verdict progress/interrupt $? "$(screen | head -n 5)"
is progress/interrupt-erases 0 "$(screen | grep -c 'put: ')"

# Files of a tree, while the server is held up; and the whole of a file whose size is known.
mkdir "$WORK/many" && for i in {1..1000}; do echo "$i" >"$WORK/many/$i"; done
kill -STOP "$WTD_PID"
clean
(sleep 0.3 && kill -CONT "$WTD_PID" && sleep 0.15 && kill -STOP "$WTD_PID" && sleep 2.5 && kill -CONT "$WTD_PID") &
type_line "wtcli put -r many /many; echo do''ne \$?"
sees '^put: [0-9.]+[BKM], [0-9]+ files, .*/s'
verdict progress/files $? "$(screen | head -n 5)"
wait $!
sees '^done 0$'
clean
(sleep 0.2 && kill -STOP "$WTD_PID" && sleep 2 && kill -CONT "$WTD_PID") &
type_line "wtcli get -r /many back; wtcli rm -r /many; echo do''ne \$?"
wait $!
sees '^done 0$'
verdict progress/get-and-rm $? "$(screen | head -n 5)"

# Quick work draws nothing at all: every byte that goes to the terminal is looked at.
clean
pane pipe-pane "cat >'$WORK/bytes'"
type_line "wtcli put many/1 /quick; wtcli ls /quick; echo do''ne \$?"
sees '^done 0$'
sleep 0.2
pane pipe-pane
is progress/not-for-quick-work 0 "$(grep -c $'\033\\[K' "$WORK/bytes")"
grep -q /quick "$WORK/bytes"
verdict progress/the-bytes-were-seen $?

# ---- names that would play with the screen ---------------------------------------------------------
wtcli mkdir /names
for name in $'new\nline' $'\033[31mred' $'bell\a' $'back\b\b\bslash\\' $'\302\233csi' $'\377\376' 'gr''ün'; do
    echo x | wtcli put - "/names/$name"
done
clean
type_line "wtcli ls /names; wtcli cat /names/\$'\\033[2Jno'; echo do''ne \$?"
sees '^done 1$'
seen=$(screen)
# shellcheck disable=SC1003  # a backslash
for wanted in 'new\nline' '\033[31mred' 'bell\a' 'back\b\b\bslash\\' '\302\233csi' '\377\376' 'grün'; do
    grep -qFx -- "$wanted" <<<"$seen"
    verdict "names/ls/$wanted" $? "$seen"
done
grep -qFx -- 'wtcli: /names/\033[2Jno: No such file or directory' <<<"$seen"
verdict names/in-messages $? "$seen"
clean
type_line "wtcli stat /names/\$'\\033[31mred' | cat | od -An -c | head -n 1; echo do''ne"
sees '^done$'
screen | grep -q ' 033'
verdict names/raw-in-a-pipe $? "$(screen | head -n 5)"
type_line exit
if wtd_stop; then ok stop; else not_ok stop "$REASON"; fi

# ---- no terminal at all ----------------------------------------------------------------------------
wtd_start "$image"
run wtcli put -r "$WORK/many" /piped
is pipes/put-says-nothing "0  " "$STATUS $OUT $ERR"
run wtcli rm -r /piped
is pipes/rm-says-nothing "0  " "$STATUS $OUT $ERR"
run wtcli mkfs --size 128M "$WORK/b.img"
is pipes/mkfs-says-nothing "0  " "$STATUS $OUT $ERR"
is pipes/names-are-raw 1 "$(wtcli ls /names | grep -c $'^\033\\[31mred$')"
finish
