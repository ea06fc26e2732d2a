#!/usr/bin/env bash
# Initialises, validates and tests one Terraform folder, in a copy, so that nothing is left in the tree.
#
#   build-support/terraform.sh infra/terraform/modules/s3
#
# Exits with 77 when the AWS provider cannot be had: see terraform_init.sh.
set -euo pipefail

folder=$(cd "${1:?"usage: build-support/terraform.sh FOLDER"}" && pwd -P)
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd -P)
top=$(cd "$here/../infra/terraform" && pwd -P)
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
cp -R "$top" "$scratch/terraform"
find "$scratch" -name .terraform -prune -exec rm -rf {} + -o -name .terraform.lock.hcl -exec rm -f {} +
cd "$scratch/terraform/${folder#"$top"}"

# What holds data must refuse to be destroyed. Tests end by destroying what they made, so the copy lets
# them, once every such resource was seen to refuse
awk '
  /^resource "(aws_msk_cluster|aws_s3_bucket|aws_kms_key)" / { name = $2 "." $3; safe = 0 }
  /^ +prevent_destroy += true$/ { safe = 1 }
  /^}/ {
    if (name && !safe) { print FILENAME ": " name " needs lifecycle { prevent_destroy = true }"; failed = 1 }
    name = ""
  }
  END { exit failed }
' ./*.tf
find "$scratch/terraform" -name '*.tf' -exec sed -i.bak -E 's/^( +prevent_destroy += )true$/\1false/' {} +

# Terraform complains about a configuration file that is named but missing
[ -e "${TF_CLI_CONFIG_FILE:-}" ] || unset TF_CLI_CONFIG_FILE
export TF_IN_AUTOMATION=1 CHECKPOINT_DISABLE=1

"$here/terraform_init.sh" -backend=false
# A test validates the folder before each of its runs; doing so here again would take 3 s a folder
if compgen -G 'tests/*.tftest.hcl' >/dev/null; then
  terraform test -no-color
else
  terraform validate -no-color
fi
