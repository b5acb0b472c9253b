# shellcheck shell=bash
# The kernel's own target in front of /dev/vda, by each transport that the kernel has.
. /tests/lib.sh
. /tests/job.sh
. /tests/nvmet.sh
export STRESS_SECONDS=2 STRESS_ROUNDS=1
nvmet_start
for transport in $(cat /files/transports); do
    PREFIX=$transport-
    nvmet_export "wt-$transport" /dev/vda "$transport"
    verdict connects $? "$(dmesg | tail -n 5)"
    job "$NODE"
    run_integration "$NODE" stress names
    nvmet_remove "wt-$transport" "$transport"
done
