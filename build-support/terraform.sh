#!/usr/bin/env bash
# Initialises, validates and tests one Terraform folder, in a copy, so that nothing is left in the tree.
#
#   build-support/terraform.sh infra/terraform/modules/s3
#
# The AWS provider comes from TF_PLUGIN_DIR, else from a local mirror of the machine where there is
# one, else from Terraform's own registry. Exits with 77 when it cannot be had at all.
set -euo pipefail

folder=$(cd "${1:?"usage: build-support/terraform.sh FOLDER"}" && pwd -P)
top=$(cd "$(dirname "${BASH_SOURCE[0]}")/../infra/terraform" && pwd -P)
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

# Prints the folder that holds HOST/hashicorp/aws/VERSION/PLATFORM/terraform-provider-aws*
mirror() {
  local place file
  if [ -n "${TF_PLUGIN_DIR:-}" ]; then
    echo "$TF_PLUGIN_DIR"
    return
  fi
  for place in "$HOME/.terraform.d/plugins" "${XDG_DATA_HOME:-$HOME/.local/share}/terraform/plugins" \
    /usr/local/share/terraform/plugins /usr/share/terraform/plugins /opt /usr/local /var/lib; do
    file=$(find -L "$place" -maxdepth 8 -path '*/hashicorp/aws/*/terraform-provider-aws*' -print -quit 2>/dev/null) || true
    if [ -n "$file" ]; then
      (cd "$(dirname "$file")/../../../../.." && pwd -P)
      return
    fi
  done
}

options=()
plugins=$(mirror)
[ -z "$plugins" ] || options=(-plugin-dir="$plugins")
if ! timeout 300 terraform init -backend=false -input=false -no-color "${options[@]}" >"$scratch/init.log" 2>&1; then
  cat "$scratch/init.log"
  if [ -z "$plugins" ] && grep -qiE 'could not connect|failed to query|no such host|timeout' "$scratch/init.log"; then
    echo "the AWS provider cannot be downloaded here; name a local mirror in TF_PLUGIN_DIR"
    exit 77
  fi
  exit 1
fi
# A test validates the folder before each of its runs; doing so here again would take 3 s a folder
if compgen -G 'tests/*.tftest.hcl' >/dev/null; then
  terraform test -no-color
else
  terraform validate -no-color
fi
