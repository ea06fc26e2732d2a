#!/usr/bin/env bash
# Builds what the demo runs, and runs it: real Kafka, S3 and Spark on this machine.
#
# SOURCE=recordings|simulated|live says where the exchanges' traffic comes from; default: recordings
# where there are any (JETL2_RECORDINGS, else ../shared/recordings), else simulated.
set -euo pipefail

# shellcheck source=build-support/built.sh
source "$(dirname "${BASH_SOURCE[0]}")/built.sh"
run_built jetl2.devstack demo "$@" -- services/{ingestor,merger,api_grpc}:pex jobs/{landing,export}:pex
