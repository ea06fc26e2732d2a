#!/usr/bin/env bash
# Builds the services and the landing job, and runs the fault campaign on them.
#
# SEED=7 or 1-20 (unset: by the clock), SECONDS=60 for each scenario, FAULTS=F1,F4 (unset: all);
# further words go to the campaign as they are: build-support/faults.sh --list
set -euo pipefail

# Bash counts in SECONDS by itself; what was given stands in the environment alone
seconds=${FAULT_SECONDS:-60}
# shellcheck source=build-support/bootstrap.sh
source "$(dirname "${BASH_SOURCE[0]}")/bootstrap.sh"
cd "$root"
build-support/env.sh dev
say "Building the PEX files of the services and of landing (minutes the first time, seconds after) ..."
./pants package services/{ingestor,merger,api_grpc}:pex jobs/{landing,export}:pex

path=(libs/*)
PYTHONPATH=$(IFS=: && echo "${path[*]/#/$root/}")
export PYTHONPATH
exec .cache/env/dev/bin/python -m jetl2.campaign \
    --seeds "${SEED:-}" --seconds "$seconds" --faults "${FAULTS:-}" "$@"
