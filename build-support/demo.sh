#!/usr/bin/env bash
# Builds what the demo runs, and runs it: real Kafka, S3 and Spark on this machine.
#
# SOURCE=recordings|simulated|live says where the exchanges' traffic comes from; default: recordings
# where there are any (JETL2_RECORDINGS, else ../shared/recordings), else simulated.
set -euo pipefail

# shellcheck source=build-support/bootstrap.sh
source "$(dirname "${BASH_SOURCE[0]}")/bootstrap.sh"
cd "$root"
build-support/env.sh dev
say "Building the PEX files of services and jobs (minutes the first time, seconds after) ..."
./pants package services/{ingestor,merger,api_grpc}:pex jobs/{landing,export}:pex

path=(libs/*)
PYTHONPATH=$(IFS=: && echo "${path[*]/#/$root/}")
export PYTHONPATH
exec .cache/env/dev/bin/python -m jetl2.devstack demo "$@"
