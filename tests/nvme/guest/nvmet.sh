# shellcheck shell=bash disable=SC2034
# The kernel's NVMe target: block devices of the guest become namespaces of controllers that it connects to.
NVMET=/sys/kernel/config/nvmet
HOST="hostnqn=nqn.2014-08.org.nvmexpress:uuid:11111111-2222-3333-4444-555555555555,hostid=11111111-2222-3333-4444-555555555555"

nvmet_start() {
    mount -t configfs none /sys/kernel/config
    ip link set lo up
    mkdir "$NVMET/ports/1" "$NVMET/ports/2"
    echo loop >"$NVMET/ports/1/addr_trtype" 2>/dev/null
    echo tcp >"$NVMET/ports/2/addr_trtype"
    echo ipv4 >"$NVMET/ports/2/addr_adrfam"
    echo 127.0.0.1 >"$NVMET/ports/2/addr_traddr"
    echo 4420 >"$NVMET/ports/2/addr_trsvcid"
}

# find_node SUBSYSTEM: sets NODE when its namespace has come up.
find_node() {
    local entry number
    for entry in /sys/class/nvme-subsystem/nvme-subsys*; do
        [ "$(cat "$entry/subsysnqn")" = "$1" ] || continue
        number=${entry##*subsys}
        NODE=/dev/ng${number}n1
        [ -e "$NODE" ] && [ -e "/dev/nvme${number}n1" ] && return 0
    done
    return 1
}

# nvmet_export NAME BLOCK-DEVICE loop|tcp: sets NODE to the new node and NAMESPACE to the target's directory.
nvmet_export() {
    local subsystem=$NVMET/subsystems/$1 port=1 address=
    [ "$3" = tcp ] && port=2 address=,traddr=127.0.0.1,trsvcid=4420
    mkdir "$subsystem" "$subsystem/namespaces/1"
    echo 1 >"$subsystem/attr_allow_any_host"
    NAMESPACE=$subsystem/namespaces/1
    printf %s "$2" >"$NAMESPACE/device_path"
    echo 1 >"$NAMESPACE/enable" || return 1
    ln -s "$subsystem" "$NVMET/ports/$port/subsystems/$1"
    echo "transport=$3,nqn=$1$address,$HOST" >/dev/nvme-fabrics || return 1
    wait_for 20 find_node "$1"
}

# nvmet_remove NAME loop|tcp
nvmet_remove() {
    local entry port=1
    [ "$2" = tcp ] && port=2
    for entry in /sys/class/nvme/nvme*; do
        [ "$(cat "$entry/subsysnqn")" = "$1" ] && echo 1 >"$entry/delete_controller"
    done
    rm "$NVMET/ports/$port/subsystems/$1"
    echo 0 >"$NVMET/subsystems/$1/namespaces/1/enable"
    rmdir "$NVMET/subsystems/$1/namespaces/1" "$NVMET/subsystems/$1"
}
