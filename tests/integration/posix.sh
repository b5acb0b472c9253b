#!/usr/bin/env bash
# The POSIX behaviours of the contract, each on ext4 and on wt, as an ordinary user, and compared: tests/posix.
# shellcheck source=tests/integration/lib.sh
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

POSIX=$BUILD/tests/posix/posix
[[ -x $POSIX ]] || { not_ok posix-start "tests/posix/posix is not built"; finish; }

# A directory on ext4 that everybody can reach.
top=
for place in "${TMPDIR:-/tmp}" /tmp /var/tmp "$BUILD"; do
    [[ $(stat -f -c %t "$place" 2>/dev/null) == ef53 ]] || continue
    top=$(mktemp -d "$place/wt-posix.XXXXXX") && break
done
[[ -n $top ]] || top=$(mktemp -d "$WORK/posix.XXXXXX")
chmod 755 "$top"
trap 'rm -rf "$top"; cleanup' EXIT

image=$WORK/posix.img
if ! make_image "$image" 512M || ! wtd_start "$image" --shards 2; then
    not_ok posix-start "$REASON"
    finish
fi
chmod 666 "$WT_SOCKET"
((EUID == 0)) && { "$WTCLI" chmod 755 / || not_ok posix-start "chmod /"; }

"$POSIX" "$top" ${POSIX_CASES:+"$POSIX_CASES"} || FAILED=1

"$WTCLI" ping >/dev/null 2>&1
verdict posix-server-lives $? "$(tail -n 5 "$WTD_LOG")"
wtd_stop
is posix-stop 0 $?
succeeds posix-volume-is-clean "$WTCLI" check "$image"
finish
