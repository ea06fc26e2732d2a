#!/usr/bin/env bash
# Builds the services and the landing job, and runs the fault campaign on them.
#
# SEED=7 or 1-20 (unset: by the clock), SECONDS=60 for each scenario, FAULTS=F1,F4 (unset: all);
# further words go to the campaign as they are: build-support/faults.sh --list
set -euo pipefail

# Bash counts in SECONDS by itself; what was given stands in the environment alone
seconds=${FAULT_SECONDS:-60}
# shellcheck source=build-support/built.sh
source "$(dirname "${BASH_SOURCE[0]}")/built.sh"
run_built jetl2.campaign --seeds "${SEED:-}" --seconds "$seconds" --faults "${FAULTS:-}" "$@" -- \
  services/{ingestor,merger,api_grpc}:pex jobs/{landing,export}:pex
