#!/usr/bin/env bash
# Runs Helm, installed on first use: build-support/helm.sh ARGS...
#
# The binary is pinned (3rdparty/helm.txt) and comes from the Python package index, inside a package for
# Linux on x86-64. Elsewhere the helm on PATH is taken; exits with 77 where there is none.
set -euo pipefail

case "$(uname -s) $(uname -m)" in
  "Linux x86_64") ;;
  *)
    command -v helm >/dev/null && exec helm "$@"
    echo "helm is not on the PATH, and the pinned one is for Linux on x86-64 only"
    exit 77
    ;;
esac

here=$(dirname "${BASH_SOURCE[0]}")
"$here/env.sh" helm
home=$(cd "$here/.." && pwd -P)/.cache/env/helm

# In the venv, which a change of the pins makes anew. The package is for Lambda: a zip in a tar in the wheel
if ! cmp -s "$home/.pins" "$home/.helm"; then
  "$home/bin/python" - "$home" <<'PY'
import io, os, sys, tarfile, zipfile
from pathlib import Path

home = Path(sys.argv[1])
(layer,) = home.rglob("_jsii/lambda-layer-kubectl-*.tgz")
with tarfile.open(layer) as tar:
    packed = tar.extractfile("package/lib/layer.zip").read()
# Several may be at it at once: each writes its own, the last one stays
binary = home / f"bin/helm.{os.getpid()}"
binary.write_bytes(zipfile.ZipFile(io.BytesIO(packed)).read("helm/helm"))
binary.chmod(0o755)
binary.replace(home / "bin/helm")
PY
  cp "$home/.pins" "$home/.helm"
fi

# Its own folders, so that nothing of a person's set-up is read or written
export HELM_CONFIG_HOME=$home/config HELM_CACHE_HOME=$home/cache HELM_DATA_HOME=$home/data
exec "$home/bin/helm" "$@"
