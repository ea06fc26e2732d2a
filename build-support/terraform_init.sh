#!/usr/bin/env bash
# Initialises the Terraform folder that it is started in: build-support/terraform_init.sh [OPTION OF INIT]...
#
# The AWS provider comes from TF_PLUGIN_DIR, else from a local mirror of the machine where there is
# one, else from Terraform's own registry. Says nothing when all is well; exits with 77 when the
# provider cannot be had at all.
set -euo pipefail

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

options=("$@")
plugins=$(mirror)
[ -z "$plugins" ] || options+=(-plugin-dir="$plugins")
log=$(mktemp)
trap 'rm -f "$log"' EXIT
if ! timeout 300 terraform init -input=false -no-color "${options[@]}" >"$log" 2>&1; then
  cat "$log"
  if [ -z "$plugins" ] && grep -qiE 'could not connect|failed to query|no such host|timeout' "$log"; then
    echo "the AWS provider cannot be downloaded here; name a local mirror in TF_PLUGIN_DIR"
    exit 77
  fi
  exit 1
fi
