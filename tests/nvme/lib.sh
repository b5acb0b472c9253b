# shellcheck shell=bash disable=SC2034  # variables for those who read this
# Virtual machines with NVMe controllers, for the scripts beside this file, which read it with `.`:
#
#   . "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
#   vm_need_kernel 6.12 || { skip linux-6.12 "$REASON"; finish; }
#   vm_disk a.img 1G
#   vm_run linux-6.12- guest-script.sh "" "" -drive file=$WORK/a.img,... -device nvme,...
#   finish
#
# The guest is Debian's cloud kernel, fetched from the machine's own package sources and unpacked into a
# cache, never installed; its root is an initramfs made of busybox, bash and our programs. It runs under TCG, a
# thread for each processor of the guest: no KVM is asked for. VM_TCG=single puts all processors on one thread: half
# of the host's time, but spinning shards can starve the others. A guest says its cases on the serial line as `@ok NAME`, `@not ok NAME - why`,
# `@skip NAME - why`; everything else it says goes to the log. A boot that never reaches the script is
# tried again, VM_BOOTS_MAX times; what went wrong after that counts. If no guest starts here at all, not even an empty one, the cases are
# skipped: it is the machine.
#
# NVME_FULL=1 (make test-nvme-full): every case on every combination. VM_PATIENCE: all limits of time are
# multiplied by it; for a busy machine.
set -uo pipefail
export LC_ALL=C
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd -P)
BUILD=$(cd "${BUILD:-$ROOT/build}" && pwd -P) || exit 1
CACHE=${WT_NVME_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/wt-nvme}
VM_PATIENCE=${VM_PATIENCE:-1}
VM_BOOTS_MAX=4
VM_SECONDS=$((300 * VM_PATIENCE))
VM_BOOT_SECONDS=$((60 * VM_PATIENCE))
FULL=${NVME_FULL:-}
FAILED=0

WORK=$(mktemp -d "${TMPDIR:-$BUILD}/nvme.XXXXXX") || exit 1
VM_PID=
REASON= # why the last helper failed
cleanup() {
    [[ -n $VM_PID ]] && kill -KILL "$VM_PID" 2>/dev/null
    [[ -n ${NBDKIT_PID:-} ]] && kill -KILL "$NBDKIT_PID" 2>/dev/null
    rm -rf "$WORK"
}
trap cleanup EXIT
trap 'exit 1' INT TERM HUP

ok() { printf 'ok %s\n' "$1"; }
not_ok() {
    FAILED=1
    printf 'not ok %s - %s\n' "$1" "$(tr '\n' ' ' <<<"${2:-it is not so}")"
}
skip() { printf 'skip %s - %s\n' "$1" "$2"; }
verdict() { if (($2 == 0)); then ok "$1"; else not_ok "$1" "${3:-}"; fi; }
finish() { exit "$FAILED"; }

# vm_need_tools: sets REASON when a program is missing.
vm_need_tools() {
    local program
    PATH=$PATH:/usr/sbin:/sbin
    for program in qemu-system-x86_64 busybox cpio depmod xz dpkg-deb apt-get nbdkit dmsetup; do
        command -v "$program" >/dev/null || { REASON="no $program here (deploy/install-deps nvme)" && return 1; }
    done
    [[ $(uname -m) == x86_64 ]] || { REASON="the guest's kernel is for x86-64" && return 1; }
}

# kernel_package 6.12: the newest signed cloud kernel of that series in the package lists.
kernel_package() {
    apt-cache search --names-only "^linux-image-${1//./\\.}\\.[0-9].*-cloud-amd64\$" 2>/dev/null |
        cut -d' ' -f1 | grep -v unsigned | sort -V | tail -n 1
}

# vm_need_kernel SERIES: unpacks it into the cache unless it is there; sets KERNEL_DIR and KERNEL_VERSION, or
# REASON. A kernel that is in the cache is used when the package sources cannot be reached.
vm_need_kernel() {
    vm_need_tools || return 1
    local package version cached
    mkdir -p "$CACHE" || { REASON="cannot make $CACHE" && return 1; }
    package=$(kernel_package "$1")
    version=${package#linux-image-}
    if [[ -z $version || ! -d $CACHE/$version ]]; then
        if [[ -n $version ]] && vm_fetch_kernel "$package" "$version"; then :; else
            cached=$(cd "$CACHE" && printf '%s\n' "$1".*-cloud-amd64 | sort -V | tail -n 1)
            [[ -d $CACHE/$cached ]] || { REASON="no Linux $1 cloud kernel to be had" && return 1; }
            version=$cached
        fi
    fi
    KERNEL_VERSION=$version
    KERNEL_DIR=$CACHE/$version
}

vm_fetch_kernel() {
    local into
    into=$(mktemp -d "$CACHE/.fetch.XXXXXX") || return 1
    if (cd "$into" && apt-get -q download "$1" && dpkg-deb -x ./*.deb root && rm -f ./*.deb &&
        { [[ -d root/lib/modules ]] || mv root/usr/lib root/lib; } &&
        depmod -b "$into/root" "$2") >"$into/log" 2>&1 && mv "$into/root" "$CACHE/$2"; then
        rm -rf "$into"
        return 0
    fi
    rm -rf "$into"
    [[ -d $CACHE/$2 ]] # somebody else was faster
}

# add_module ROOT NAME: with what it depends on, in the order of loading, into ROOT/modules.
add_module() {
    local root=$1 modules=$KERNEL_DIR/lib/modules/$KERNEL_VERSION file base dependency
    file=$(sed -n "s|^\\([^:]*/${2//-/[-_]}\\.ko[^:]*\\):.*|\\1|p" "$modules/modules.dep" | head -n 1)
    [[ -n $file ]] || return 0 # built in
    # shellcheck disable=SC2013  # words
    for dependency in $(sed -n "s|^$file: *||p" "$modules/modules.dep"); do
        base=$(basename "$dependency")
        add_module "$root" "${base%%.ko*}"
    done
    base=$(basename "$file" .xz)
    grep -qxF "$base" "$root/modules" 2>/dev/null && return 0
    case $file in
    *.xz) xz -dc "$modules/$file" >"$root/lib/modules/$base" ;;
    *) cp "$modules/$file" "$root/lib/modules/$base" ;;
    esac
    echo "$base" >>"$root/modules"
}

# add_program ROOT FILE: with the libraries it is linked with.
add_program() {
    local library
    cp -L "$2" "$1/bin/" || return 1
    while IFS= read -r library; do
        mkdir -p "$1/$(dirname "$library")"
        cp -Lu "$library" "$1/$library"
    done < <(ldd "$2" 2>/dev/null | grep -oE '/[^ )]+')
}

# vm_initramfs OUT SCRIPT [PROGRAM...]: MODULES names what to load at start, SERVER the wtd (the product's
# unless set), FILES other files, which the guest finds under /files.
vm_initramfs() {
    local out=$1 script=$2 root program
    shift 2
    root=$(mktemp -d "$WORK/root.XXXXXX")
    chmod 755 "$root"
    mkdir -p "$root"/{bin,sbin,dev,proc,sys,tmp,run/wt,etc,var/tmp,lib/modules,tests,files}
    cp "$(command -v busybox)" "$root/bin/"
    : >"$root/modules"
    for program in ${MODULES:-}; do add_module "$root" "$program"; done
    for program in "$(command -v bash)" "$BUILD/wtcli" "$@"; do
        add_program "$root" "$program" || { REASON="cannot pack $program" && return 1; }
    done
    add_program "$root" "${SERVER:-$BUILD/wtd}" || { REASON="cannot pack ${SERVER:-wtd}" && return 1; }
    [[ -z ${SERVER:-} ]] || mv "$root/bin/$(basename "$SERVER")" "$root/bin/wtd"
    for program in ${FILES:-}; do cp "$program" "$root/files/"; done
    echo 'root:x:0:0:root:/:/bin/bash
nobody:x:65534:65534:nobody:/:/bin/bash' >"$root/etc/passwd"
    echo 'root:x:0:
nogroup:x:65534:' >"$root/etc/group"
    mkdir "$root/tests/integration"
    cp "$ROOT"/tests/nvme/guest/*.sh "$root/tests/"
    cp "$ROOT"/tests/integration/{lib,stress,names}.sh "$root/tests/integration/"
    echo ". /tests/$script" >"$root/tests/main.sh"
    cp "$ROOT/tests/nvme/guest/init" "$root/init"
    chmod 755 "$root/init"
    (cd "$root" && find . | cpio -o -H newc --quiet -R 0:0) >"$out"
    rm -rf "$root"
}

# vm_boot LOG INITRAMFS APPEND QEMU-OPTION...: one try, in the background; sets VM_PID.
vm_boot() {
    local log=$1 initramfs=$2 append=$3
    shift 3
    qemu-system-x86_64 -M q35 -accel "tcg,thread=${VM_TCG:-multi}" -cpu max -smp "${VM_CPUS:-2}" -m "${VM_MEMORY:-768}" \
        -nodefaults -no-user-config -no-reboot -display none -serial stdio \
        -kernel "$KERNEL_DIR"/boot/vmlinuz-* -initrd "$initramfs" \
        -append "console=ttyS0 panic=-1 quiet $append" "$@" </dev/null >"$log" 2>&1 &
    VM_PID=$!
}

# vm_booted LOG: whether the guest has got to its script, waiting as long as a boot may take.
vm_booted() {
    local waited
    for ((waited = 0; waited < VM_BOOT_SECONDS * 10; waited++)); do
        grep -q '^@ready' "$1" && return 0
        kill -0 "$VM_PID" 2>/dev/null || break
        sleep 0.1
    done
    grep -q '^@ready' "$1"
}

vm_kill() {
    kill -KILL "$VM_PID" 2>/dev/null
    wait "$VM_PID" 2>/dev/null
    VM_PID=
}

# vm_start LOG INITRAMFS APPEND QEMU-OPTION...: boots until the script runs. 1: it never did (REASON).
vm_start() {
    local try
    for ((try = 1; try <= VM_BOOTS_MAX; try++)); do
        vm_boot "$@"
        vm_booted "$1" && return 0
        vm_kill
    done
    REASON="the guest did not start in $VM_BOOTS_MAX tries: $(tail -n 3 "$1" | tr -d '\r')"
    return 1
}

# vm_machine_can: whether any guest starts here: busybox alone, no disk. Asked after a guest did not.
vm_machine_can() {
    local root=$WORK/empty-root
    mkdir -p "$root/bin" && cp "$(command -v busybox)" "$root/bin/"
    printf '#!/bin/busybox sh\necho @ready\n/bin/busybox poweroff -f\n' >"$root/init"
    chmod 755 "$root/init"
    (cd "$root" && find . | cpio -o -H newc --quiet -R 0:0) >"$WORK/empty"
    vm_start "$WORK/empty.log" "$WORK/empty" ""
    local started=$?
    [[ -z $VM_PID ]] || vm_kill
    return "$started"
}

# vm_not_started NAME: the verdict of a guest that did not start.
vm_not_started() {
    local reason=$REASON
    if vm_machine_can; then
        not_ok "$1" "$reason"
    else
        skip "$1" "no virtual machine starts here: $REASON"
    fi
}

# vm_wait LOG: until the guest has powered off, VM_SECONDS at most. 1: it had not (REASON).
vm_wait() {
    local waited
    for ((waited = 0; waited < VM_SECONDS * 10; waited++)); do
        kill -0 "$VM_PID" 2>/dev/null || { wait "$VM_PID" 2>/dev/null && VM_PID= && return 0; }
        sleep 0.1
    done
    vm_kill
    REASON="the guest was stopped after $VM_SECONDS s"
    return 1
}

# vm_report PREFIX LOG: the guest's cases, each with the prefix before its name. 1: it did not come to its end.
vm_report() {
    local line
    while IFS= read -r line; do
        case $line in
        '@ok '*) printf 'ok %s\n' "$1${line#@ok }" ;;
        '@not ok '*) FAILED=1 && printf 'not ok %s\n' "$1${line#@not ok }" ;;
        '@skip '*) printf 'skip %s\n' "$1${line#@skip }" ;;
        '@say '*) printf '%s\n' "${line#@say }" ;;
        esac
    done < <(tr -d '\r' <"$2")
    tr -d '\r' <"$2" | grep -q '^@end'
}

# vm_run PREFIX SCRIPT PROGRAMS APPEND QEMU-OPTION...: everything. PROGRAMS: a list with spaces. The run's own
# case is PREFIX and `runs-to-its-end`.
vm_run() {
    local prefix=$1 script=$2 programs=$3 append=$4 log=$WORK/serial.$RANDOM.log
    shift 4
    # shellcheck disable=SC2086  # a list
    if ! vm_initramfs "$WORK/initramfs" "$script" $programs; then
        not_ok "${prefix}starts" "$REASON"
        return 1
    fi
    if ! vm_start "$log" "$WORK/initramfs" "$append" "$@"; then
        vm_not_started "${prefix}starts"
        return 1
    fi
    local ended=0
    REASON=
    vm_wait "$log" || ended=1
    vm_report "$prefix" "$log" || ended=1
    if ((ended)); then
        not_ok "${prefix}runs-to-its-end" "${REASON:-} $(tail -n 5 "$log" | tr -d '\r')"
    else
        ok "${prefix}runs-to-its-end"
    fi
    cat "$log" >&2
    return "$ended"
}

# vm_disk PATH SIZE: a sparse image in $WORK.
vm_disk() { truncate -s "$2" "$WORK/$1"; }
# nvme_disk IMAGE [PROPERTY,...]: sets DISK to the QEMU options of an emulated controller whose one namespace is
# the image, with these properties.
nvme_disk() {
    DISK=(-drive "file=$WORK/$1,if=none,id=$1,format=raw,cache=writeback" -device "nvme,serial=$1,id=c-$1"
        -device "nvme-ns,drive=$1,bus=c-$1${2:+,$2}")
}
# virtio_disk IMAGE: the same of a disk /dev/vda, for nvmet.
virtio_disk() {
    DISK=(-drive "file=$WORK/$1,if=none,id=$1,format=raw,cache=writeback" -device "virtio-blk-pci,drive=$1")
}
