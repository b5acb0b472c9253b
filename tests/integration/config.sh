#!/usr/bin/env bash
# The config file of wtd, with the real program: read only when named, below the command line, and refused with
# the file and the line. What each wrong line says is in tests/unit/test_options.c.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

image=$WORK/a.img
make_image "$image" 64M || not_ok image "$REASON"
conf=$WORK/wtd.conf

# config_refuses NAME STATUS PATTERN TEXT: TEXT is the file.
config_refuses() {
    printf '%b' "$4" >"$conf"
    refuses "$1" "$2" "$3" timeout 20 "$WTD" --config "$conf"
    is "$1-is-one-line" 1 "$(wc -l <<<"$ERR")"
}

config_refuses unknown-key 2 "^wtd: $conf:2: unknown key nonsense\. Try .wtd --help" "# first\nnonsense = 1\n"
config_refuses bad-value 2 "^wtd: $conf:1: cache = lots: must be a size" "cache = lots\n"
config_refuses second-time 2 "^wtd: $conf:2: shards stands here a second time" "shards = 1\nshards = 1\n"
config_refuses section 2 "^wtd: $conf:1: unknown section" "[server]\n"
config_refuses no-equals 2 "^wtd: $conf:1: no .='" "shards 1\n"
config_refuses long-line 2 "^wtd: $conf:1: the line has 308 bytes" "device = $(printf 'x%.0s' {1..299})\n"
config_refuses nul-byte 2 "^wtd: $conf:1: a NUL byte" 'shards = \00001\n'
config_refuses terminal-codes 2 "^wtd: $conf:1: unknown key .\[31mx" '\033[31mx = 1\n'
config_refuses later-option 2 "^wtd: $conf:1: metrics is not in this version" "metrics = 127.0.0.1:9000\n"
config_refuses no-device 2 "^wtd: --device is missing" "shards = 1\n"
config_refuses too-long 1 "^wtd: $conf: longer than 64 KiB" "$(printf '#%.0s' {1..70000})"
refuses missing 1 "^wtd: $WORK/none: No such file" "$WTD" --config "$WORK/none"
refuses directory 1 "^wtd: $WORK: Is a directory" "$WTD" --config "$WORK"
refuses no-name 2 "^wtd: --config needs a value" "$WTD" --config
if ((EUID == 0)) && setpriv --reuid=65534 --regid=65534 --clear-groups test -x "$WTD"; then
    chmod 600 "$conf"
    refuses not-readable 1 "^wtd: $conf: Permission denied" \
        setpriv --reuid=65534 --regid=65534 --clear-groups "$WTD" --config "$conf"
else
    skip not-readable "not root"
fi

# The command line wins, wherever --config stands on it; a pipe does as a file.
printf 'device = %s\nsocket = %s\nshards = 2\ncache = 64M\nlog-level = debug\n' "$WORK/none.img" "$SOCKETS/none/s" >"$conf"
if wtd_start "$image" --shards 1 --config "$conf"; then
    ok command-line-wins
    grep -q 'shards 1, cache 64 MiB' "$WTD_LOG"
    verdict command-line-wins-by-option $? "$(<"$WTD_LOG")"
    wtd_stop
    is command-line-wins-stop 0 $?
else
    not_ok command-line-wins "$REASON"
fi
if wtd_start "$image" --config <(echo 'user-sessions = 1 ; and a comment'); then
    ok pipe
    wtd_stop
else
    not_ok pipe "$REASON"
fi
# What is not named is not read.
cd "$WORK" || exit 1
echo 'nonsense' >wtd.conf
if wtd_start "$image"; then
    ok not-read-when-not-named
    wtd_stop
else
    not_ok not-read-when-not-named "$REASON"
fi
finish
