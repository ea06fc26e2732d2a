#!/usr/bin/env bash
# Builds ingestor and merger, and watches them for long under many simulated exchanges.
#
#   build-support/soak.sh --seconds 3600 --rate 5000 --exchanges 24 [--out soak-output] [--fault drop=0.001]
set -euo pipefail

# shellcheck source=build-support/built.sh
source "$(dirname "${BASH_SOURCE[0]}")/built.sh"
run_built jetl2.devstack soak "$@" -- services/{ingestor,merger}:pex
