#!/usr/bin/env bash
# What bad input gets: a clear error, nothing lost, and a server that serves others. Requests by hand first
# (bad_wire.c), then what programs and people can do through libwt (bad_input.c), each case with its name.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

WIRE=$BUILD/tests/integration/bad_wire
INPUT=$BUILD/tests/integration/bad_input
for program in "$WIRE" "$INPUT"; do
    [[ -x $program ]] || { not_ok bad-input-start "$program is not built"; finish; }
done

# judged NAME PROGRAM [ARGUMENT]...: its own lines are the cases; then the server lives, stops and is clean.
judged() {
    local name=$1
    shift
    "$@" || FAILED=1
    succeeds "$name/server-lives" "$WTCLI" ping
}

# over NAME: stops the server, and looks at the volume.
over() {
    wtd_stop
    is "$1/stops" 0 $?
    succeeds "$1/volume-is-clean" "$WTCLI" check "$2"
}

image=$WORK/wire.img
if ! make_image "$image" 64M || ! wtd_start "$image" --shards 2 --socket-mode 666; then
    not_ok bad-input-start "$REASON"
    finish
fi
judged wire "$WIRE"
over wire "$image"
rm -f "$image"

# With room for 65,000 links.
image=$WORK/kinds.img
if ! make_image "$image" 1G --sparse || ! wtd_start "$image" --shards 2 --socket-mode 666; then
    not_ok kinds/start "$REASON"
else
    judged kinds "$INPUT" kinds
    over kinds "$image"
    rm -f "$image"
fi

# A volume that is full: of data, then (another one) of names.
for what in data names; do
    image=$WORK/$what.img
    if ! make_image "$image" 64M || ! wtd_start "$image" --shards 2 --socket-mode 666; then
        not_ok "full-$what/start" "$REASON"
        continue
    fi
    judged "full-$what" "$INPUT" "full-$what"
    over "full-$what" "$image"
    rm -f "$image"
done

# Metadata at its cap, on a volume with room.
image=$WORK/metadata.img
if ! make_image "$image" 256M || ! wtd_start "$image" --shards 2 --socket-mode 666 --metadata 1M; then
    not_ok metadata-full/start "$REASON"
else
    judged metadata-full "$INPUT" metadata-full
    over metadata-full "$image"
fi
finish
