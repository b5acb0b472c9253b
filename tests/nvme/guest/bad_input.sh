# shellcheck shell=bash
# What is refused, each in words, before anything is written. Three controllers, known by their serials, for
# their numbers come as they like: good, small (32 MiB), metadata.
. /tests/lib.sh
# number_of SERIAL: of the controller.
number_of() {
    local entry
    for entry in /sys/class/nvme/nvme*; do
        grep -q "^$1" "$entry/serial" && echo "${entry##*nvme}"
    done
}
number=$(number_of good)
good=/dev/ng${number}n1 block=/dev/nvme${number}n1
wait_for 20 test -e $block
mkdir -p /mnt
# serve_refused NAME PATTERN DEVICE
serve_refused() { refuses "$1" "$2" wtd --device "$3" --socket $WT_SOCKET; }
# as_nobody COMMAND: a line of shell.
as_nobody() { su -s /bin/bash nobody -c "ulimit -l unlimited 2>/dev/null; $1"; }

serve_refused not-nvme 'is not an NVMe namespace \(/dev/ngXnY\)' nvme:/dev/null
serve_refused a-file-is-not-nvme 'is not an NVMe namespace' nvme:/init
refuses a-controller "is a controller; name one of its namespaces \\($good\\)" wtcli mkfs --force "/dev/nvme$number"
refuses no-such-namespace 'no such' wtcli mkfs --force nvme:/dev/ng77n1
refuses too-small 'less than 64 MiB' wtcli mkfs --force "/dev/ng$(number_of small)n1"
refuses metadata '8 bytes of metadata a block; choose one without' wtcli mkfs --force "/dev/ng$(number_of metadata)n1"
serve_refused no-volume 'no volume|not a volume|mkfs' $good

# Somebody else's data.
mke2fs $block >/dev/null 2>&1
mount -t ext4 $block /mnt
verdict ext4-is-mounted $? "$(dmesg | tail -n 2)"
refuses mounted 'in use; stop what uses it' wtcli mkfs --force $good
serve_refused mounted-is-not-served 'in use' $good
umount /mnt
refuses known-signature 'ext' wtcli mkfs $good
mount -t ext4 $block /mnt
verdict nothing-was-written $? "$(dmesg | tail -n 2)"
umount /mnt
printf 'o\nn\np\n1\n\n\nw\n' | fdisk $block >/tmp/fdisk.out 2>&1
wait_for 5 test -e ${block}p1
verdict is-partitioned $? "$(tail -n 3 /tmp/fdisk.out)"
refuses partitioned 'is partitioned; remove the partitions, or let' wtcli mkfs $good
serve_refused partitioned-is-not-served 'is partitioned' $good
mke2fs ${block}p1 >/dev/null 2>&1 && mount -t ext4 ${block}p1 /mnt
refuses mounted-partition 'in use' wtcli mkfs --force $good
umount /mnt
succeeds force-takes-it-all wtcli mkfs --force $good
wtd_start $good
verdict and-serves-it $? "$(cat /tmp/wtd.log)"
refuses a-served-one-cannot-be-mounted 'busy' mount -t ext4 $block /mnt
wtd_stop
ln -s $block /tmp/by-id
wtd_start /tmp/by-id && grep -q "nvme, " /tmp/wtd.log
verdict a-link-leads-to-passthrough $? "$(cat /tmp/wtd.log)"
wtd_stop
if [ ! -e /sys/block/${block##*/}/queue/io_poll ] || [ "$(cat /sys/block/${block##*/}/queue/io_poll)" = 0 ]; then
    refuses no-poll-queues 'nvme.poll_queues' wtd --device $good --socket $WT_SOCKET --iopoll
fi

# Rights.
refuses no-access-to-the-node 'permission denied; give the user this node' as_nobody "wtcli mkfs --force $good"
chmod 666 $good $block
case $(uname -r) in
6.1.*) refuses commands-need-a-capability 'only CAP_SYS_ADMIN' as_nobody "wtcli mkfs --force $good" ;;
*)
    succeeds write-access-is-enough as_nobody "wtcli mkfs --force $good"
    as_nobody "exec wtd --device $good --socket $WT_SOCKET --cache 64M" >/tmp/wtd.log 2>&1 &
    wait_for 60 wtcli ping
    verdict nobody-serves $? "$(cat /tmp/wtd.log)"
    succeeds nobodys-server-works as_nobody "wtcli put /bin/bash /data"
    kill "$(pidof wtd)"
    wait %%
    verdict nobodys-server-stops $? "$(tail -n 2 /tmp/wtd.log)"
    ;;
esac
chmod 444 $good
refuses read-access-is-not-enough 'permission denied; give the user this node' as_nobody "wtcli mkfs --force $good"
