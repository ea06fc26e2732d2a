#!/usr/bin/env bash
# Writes inputs, outputs and resources of each Terraform folder into its README, by terraform-docs: `make docs`.
#
#   build-support/terraform_docs.sh [--check]    --check: changes nothing, fails where a README is not current
#
# The tool is built on first use from pinned sources (3rdparty/terraform-docs), which takes Go; exits with
# 77 where there is none.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
pins=$root/3rdparty/terraform-docs
home=$root/.cache/env/terraform-docs

options=()
[ "${1:-}" != --check ] || options=(--output-check)

if ! cmp -s "$pins/go.sum" "$home/.pins"; then
  if ! command -v go >/dev/null; then
    echo "terraform-docs is built by Go, which is not on the PATH"
    exit 77
  fi
  mkdir -p "$home"
  # No newer toolchain than the one that is here; go.sum says what may be downloaded
  (cd "$pins" && GOFLAGS=-mod=readonly GOTOOLCHAIN=local CGO_ENABLED=0 go build -o "$home/" github.com/terraform-docs/terraform-docs)
  cp "$pins/go.sum" "$home/.pins"
fi

cd "$root/infra/terraform"
for folder in modules/* environments/*; do
  "$home/terraform-docs" --config "$PWD/.terraform-docs.yml" "${options[@]}" "$folder" >/dev/null ||
    { echo "$folder/README.md is not current: make docs"; failed=1; }
done
exit "${failed:-0}"
