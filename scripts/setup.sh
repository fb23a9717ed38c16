#!/usr/bin/env bash
# Makes .venv ready for localtable: the pinned packages and the package itself, in editable form.
# Safe to interrupt and to run again: what is done already is skipped.
#
#   FLAVOUR=cpu|gpu   which vLLM to install; found from the NVIDIA driver when unset
#   VENV=DIR          where the environment goes (.venv)
set -euo pipefail
cd "$(dirname "$0")/.."
VENV=${VENV:-.venv}
say() { printf 'setup: %s\n' "$*" >&2; }

if [ -z "${FLAVOUR:-}" ]; then
  if nvidia-smi -L 2>/dev/null | grep -q GPU; then FLAVOUR=gpu; else FLAVOUR=cpu; fi
fi
requirements=requirements/$FLAVOUR.txt
[ -f "$requirements" ] || { say "FLAVOUR is '$FLAVOUR'; it must be cpu or gpu"; exit 2; }

stamp=$VENV/.localtable-setup
state="$FLAVOUR $(cat "$requirements" requirements/dev.txt pyproject.toml scripts/setup.sh | cksum)"
if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$state" ] && [ -x "$VENV/bin/localtable" ]; then
  exit 0
fi

# uv installs the pinned list in seconds; where it is missing it comes from pip, into its own corner.
if ! command -v uv >/dev/null 2>&1; then
  if [ ! -x .uv/bin/uv ]; then
    say "getting uv, the package installer"
    python3 -m venv .uv || { say "python3 can't make a virtual environment: install Python 3.11 or newer with its venv module (Debian: apt-get install python3-venv)"; exit 3; }
    .uv/bin/python -m pip install --quiet uv
  fi
  PATH=$PWD/.uv/bin:$PATH
fi

if [ ! -x "$VENV/bin/python" ]; then
  say "making $VENV"
  uv venv --quiet --python '>=3.11,<3.14' "$VENV" || { say "no Python 3.11, 3.12 or 3.13 was found: install one and run this again"; exit 3; }
fi
export VIRTUAL_ENV=$PWD/$VENV
case $VENV in /*) VIRTUAL_ENV=$VENV ;; esac

# torch's CPU build isn't on the package index itself. pip may have been told where it lies; uv doesn't look there.
torch_args=()
if [ "$FLAVOUR" = cpu ]; then
  torch_args=(--torch-backend cpu)
  version=$(sed -n 's/^torch==\([0-9.]*+cpu\).*/\1/p' "$requirements" | head -n 1)
  tag=$("$VENV/bin/python" -c 'import sys; print("cp%d%d" % sys.version_info[:2])')
  for folder in ${PIP_FIND_LINKS:-} $(python3 -m pip config get global.find-links 2>/dev/null || true); do
    for wheel in "$folder"/torch-"$version"-"$tag"-*"$(uname -m)".whl; do
      if [ -f "$wheel" ]; then
        say "installing torch $version from a local file"
        uv pip install --quiet --no-deps "$wheel"
        torch_args=()
        break 2
      fi
    done
  done
fi

say "installing $(grep -c == "$requirements") pinned packages for the $FLAVOUR build (about 2 GB on disk, cpu; 10 GB, gpu)"
uv pip install --quiet --no-deps ${torch_args[@]+"${torch_args[@]}"} -r "$requirements"
say "installing the tools that tests need, and localtable itself"
uv pip install --quiet --no-deps -r requirements/dev.txt
uv pip install --quiet --no-deps --editable .
say "compiling modules, so that the first command starts as fast as later ones"
"$VENV/bin/python" -m compileall -q -j 0 "$("$VENV/bin/python" -c 'import sysconfig; print(sysconfig.get_paths()["purelib"])')" >/dev/null 2>&1 || true

# vLLM is optional: without it the transformers engine runs everything.
if "$VENV/bin/python" -c 'import vllm' >/dev/null 2>&1; then
  say "done: vLLM imports"
else
  say "done, but vLLM does not import here ('$VENV/bin/python -c \"import vllm\"' says why); the transformers engine will be used"
fi
printf '%s' "$state" >"$stamp"
