#!/usr/bin/env bash
# Destroys an environment. What holds data (Kafka, buckets, keys) refuses, unless told by --with-data.
#
#   infra/terraform/destroy.sh dev --with-data -backend-config=bucket=STATE-BUCKET -backend-config=region=REGION
#
# Works in a copy, from which --with-data takes the refusals; Terraform still shows what will go and
# asks. Buckets that hold something refuse on their own until `force_destroy = true` was applied.
set -euo pipefail

usage="usage: destroy.sh ENVIRONMENT [--with-data] [-backend-config=...]..."
top=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
environment=${1:?"$usage"}
shift
if [ ! -d "$top/environments/$environment" ]; then
  echo "no environment $environment; there are: $(cd "$top/environments" && echo *)" >&2
  exit 2
fi
with_data=false
if [ "${1:-}" = --with-data ]; then
  with_data=true
  shift
fi
for option in "$@"; do
  case $option in
    -backend-config=*) ;;
    *)
      echo "$option is not an option; $usage" >&2
      exit 2
      ;;
  esac
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp -R "$top" "$scratch/terraform"
find "$scratch" -name .terraform -prune -exec rm -rf {} +
if $with_data; then
  find "$scratch/terraform" -name '*.tf' -exec sed -i.bak -E 's/^( +prevent_destroy += )true$/\1false/' {} +
fi
cd "$scratch/terraform/environments/$environment"
terraform init -input=false ${TF_PLUGIN_DIR:+-plugin-dir="$TF_PLUGIN_DIR"} "$@"
terraform destroy
