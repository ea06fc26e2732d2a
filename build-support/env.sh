#!/usr/bin/env bash
# Makes the virtual environment .cache/env/NAME from 3rdparty/NAME.txt, if it is not there yet.
#
#   build-support/env.sh client|dev|readers
#
# Prints nothing on standard output; progress goes to standard error. Quick when there is nothing to do.
set -euo pipefail

name=${1:?"usage: build-support/env.sh NAME, one of 3rdparty/NAME.txt"}
# shellcheck source=build-support/bootstrap.sh
source "$(dirname "${BASH_SOURCE[0]}")/bootstrap.sh"
pins=$root/3rdparty/$name.txt
home=$cache/env/$name

[ -e "$pins" ] || die "No such environment: $name (3rdparty/$name.txt is missing)."

# The folder's own path is part of the key: a venv that was moved does not work
fresh() { [ -x "$home/bin/python" ] && cmp -s <(echo "$home" && cat "$pins") "$home/.pins"; }

fresh && exit
mkdir -p "$cache/env"
exec 9>"$cache/env/$name.lock"
flock 9
fresh && exit

python=$(get_python 3.11)
say "Installing the $name environment ($(grep -c '^[a-z]' "$pins") packages) ..."
rm -f "$home/.pins"
if ! is_python "$home/bin/python" 3.11 || ! [ "$(head -n 1 "$home/.home" 2>/dev/null)" = "$home" ]; then
  rm -rf "$home"
  uv venv --quiet --python "$python" "$home" >&2
  echo "$home" >"$home/.home"
fi
uv pip sync --quiet --require-hashes --python "$home/bin/python" "$pins" >&2 ||
  die "Could not install the $name environment (see above)."
{ echo "$home" && cat "$pins"; } >"$home/.pins"
