# shellcheck shell=bash
# The kernel's own target in front of /dev/vda.
. /tests/lib.sh
. /tests/job.sh
. /tests/nvmet.sh
export STRESS_SECONDS=1 STRESS_ROUNDS=1
read -r transport </files/transport
read -ra scripts </files/scripts
nvmet_start
nvmet_export wt-job /dev/vda "$transport"
verdict connects $? "$(dmesg | tail -n 5)"
job "$NODE"
run_integration "$NODE" "${scripts[@]}"
refuses polling-is-refused 'not known to be on PCIe' wtd --device "$NODE" --socket $WT_SOCKET --iopoll
