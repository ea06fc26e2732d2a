# Finds interpreters and gets uv: what ./pants, ./jetl2 and env.sh share. Sourced, never run.
# shellcheck shell=bash

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)
cache=$root/.cache

# Set-up must give the same result everywhere: what a machine's own configuration adds
# (constraints, local wheels, other settings) is shut out. An index named in the environment stays.
export PIP_CONFIG_FILE=/dev/null UV_NO_CONFIG=1 PIP_DISABLE_PIP_VERSION_CHECK=1
unset PIP_FIND_LINKS PIP_CONSTRAINT PIP_NO_INDEX PIP_REQUIRE_VIRTUALENV PIP_TARGET PIP_PREFIX PIP_USER
unset UV_FIND_LINKS UV_CONSTRAINT UV_OVERRIDE UV_NO_INDEX UV_PYTHON UV_PROJECT_ENVIRONMENT
unset PYTHONHOME PYTHONPATH VIRTUAL_ENV

say() { printf '%s\n' "$@" >&2; }

die() {
  say "$@"
  exit 1
}

# is_python FILE MAJOR.MINOR: whether FILE runs and is CPython of that version.
is_python() {
  [ -x "$1" ] && "$1" - "$2" 2>/dev/null <<'PY'
import platform, sys
sys.exit(platform.python_implementation() != "CPython" or "%d.%d" % sys.version_info[:2] != sys.argv[1])
PY
}

# find_python MAJOR.MINOR: prints the path of such a CPython, or fails. PATH first, then pyenv's and uv's own folders.
find_python() {
  local version=$1 file
  for file in $(type -aP "python$version" "python3" "python") \
    "${PYENV_ROOT:-$HOME/.pyenv}"/versions/"$version".*/bin/"python$version" \
    "${UV_PYTHON_INSTALL_DIR:-${XDG_DATA_HOME:-$HOME/.local/share}/uv/python}"/cpython-"$version".*/bin/"python$version"; do
    # Behind a pyenv shim stands a real interpreter; name that one, since shims depend on the folder
    if is_python "$file" "$version"; then
      "$file" -c 'import sys; print(getattr(sys, "_base_executable", sys.executable) or sys.executable)'
      return
    fi
  done
  return 1
}

# make_venv PYTHON FOLDER: a venv with pip, also where Debian left ensurepip out.
make_venv() {
  rm -rf "$2"
  "$1" -m venv "$2" >/dev/null 2>&1 && return
  rm -rf "$2"
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    say "Installing python3-venv (apt-get) ..."
    { apt-get -qq update && apt-get -qq install -y python3-venv; } >/dev/null 2>&1 || true
    "$1" -m venv "$2" >/dev/null 2>&1 && return
  fi
  die "$1 cannot make virtual environments. Install what it lacks, e.g.: sudo apt-get install python3-venv"
}

# uv ARGS...: the pinned uv, installed on first use.
uv() {
  local home=$cache/uv pins=$root/3rdparty/uv.txt python
  if ! cmp -s "$pins" "$home/.pins"; then
    mkdir -p "$cache"
    (
      flock 9
      cmp -s "$pins" "$home/.pins" && exit
      python=$(find_python 3.11 || type -P python3) ||
        die "No Python found. Install one, e.g.: sudo apt-get install python3 python3-venv"
      say "Installing uv ..."
      make_venv "$python" "$home"
      "$home/bin/python" -m pip install -q --require-hashes --only-binary :all: -r "$pins" >&2 ||
        die "Could not install uv from the Python package index (see above)."
      cp "$pins" "$home/.pins"
    ) 9>"$cache/uv.lock" || exit 1
  fi
  "$home/bin/uv" "$@"
}

# get_python MAJOR.MINOR: as find_python, and asks uv for one where there is none.
get_python() {
  find_python "$1" && return
  say "No CPython $1 here; asking uv for one ..."
  uv python install --quiet "$1" >&2 2>/dev/null && find_python "$1" && return
  die "CPython $1 is needed and was not found. Install it by one of:" \
    "  pyenv install $1" \
    "  sudo apt-get install python$1 python$1-venv"
}
