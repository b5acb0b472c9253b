# shellcheck shell=bash
# One emulated controller: the main job, and scripts of tests/integration on it.
. /tests/lib.sh
. /tests/job.sh
export STRESS_SECONDS=1 STRESS_ROUNDS=1
job /dev/ng0n1
read -ra scripts </files/scripts
run_integration /dev/ng0n1 "${scripts[@]}"
