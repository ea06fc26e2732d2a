#!/usr/bin/env bash
# Makes the exact versions with hashes (3rdparty/*.txt) from what is asked for (3rdparty/*.in, requirements.txt).
#
#   build-support/pins.sh            keeps every version that still fits
#   build-support/pins.sh --upgrade  takes the newest that fit
set -euo pipefail

# shellcheck source=build-support/bootstrap.sh
source "$(dirname "${BASH_SOURCE[0]}")/bootstrap.sh"
cd "$root/3rdparty"

# No header, index or annotation: a pin file must not say where it was made or from which host
compile() {
  local name=$1 python=$2
  shift 2
  say "3rdparty/$name.txt"
  uv pip compile --quiet --python-version "$python" --generate-hashes --no-emit-index-url --no-header --no-annotate \
    "${upgrade[@]}" "$@" "$name.in" -o "$name.txt"
}
upgrade=("$@")

compile uv 3.11
compile pants 3.9
compile dev 3.11
# These agree with the development environment, so that what was tested is what is built
compile client 3.11 -c dev.txt
compile pytest 3.11 -c dev.txt
compile setuptools 3.11 -c dev.txt
compile constraints 3.11 -c dev.txt --no-emit-package pyspark --no-emit-package py4j
compile readers 3.11
compile audit 3.11
compile checkov 3.11
compile helm 3.11 --no-deps
compile spark35 3.11
