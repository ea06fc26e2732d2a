#!/usr/bin/env bash
# Builds ingestor and merger, and watches them for long under many simulated exchanges.
#
#   build-support/soak.sh --seconds 3600 --rate 5000 --exchanges 24 [--out soak-output] [--fault drop=0.001]
set -euo pipefail

# shellcheck source=build-support/bootstrap.sh
source "$(dirname "${BASH_SOURCE[0]}")/bootstrap.sh"
cd "$root"
build-support/env.sh dev
say "Building the PEX files of ingestor and merger (minutes the first time, seconds after) ..."
./pants package services/{ingestor,merger}:pex

path=(libs/*)
PYTHONPATH=$(IFS=: && echo "${path[*]/#/$root/}")
export PYTHONPATH
exec .cache/env/dev/bin/python -m jetl2.devstack soak "$@"
