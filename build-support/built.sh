# shellcheck shell=bash
# Sourced by what runs the built services on this machine: the demo, the soak run, the fault campaign.

# shellcheck source=build-support/bootstrap.sh
source "$(dirname "${BASH_SOURCE[0]}")/bootstrap.sh"
cd "$root"

# run_built MODULE ARGS... -- TARGETS...: build the PEX files, then become that module of libs.
run_built() {
  local args=() path
  while [[ $1 != -- ]]; do
    args+=("$1")
    shift
  done
  shift
  build-support/env.sh dev
  say "Building the PEX files that it runs (minutes the first time, seconds after) ..."
  ./pants package "$@"
  path=(libs/*)
  PYTHONPATH=$(IFS=: && echo "${path[*]/#/$root/}")
  export PYTHONPATH
  exec .cache/env/dev/bin/python -m "${args[@]}"
}
