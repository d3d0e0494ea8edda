#!/usr/bin/env bash
# Makes a GPU node's environment (.venv-gpu): the platform with verl and vLLM in the versions of constraints-gpu.txt.
# Safe to repeat. PYTHON names the interpreter; these versions are for Python 3.12 and CUDA 13 on x86-64 Linux.
# flash-attn is left out (it is compiled for an hour); verl is then told to use PyTorch's own attention. Containerfile.gpu
# has it.
set -euo pipefail
cd "$(dirname "$0")/.."
venv=.venv-gpu
oldest_driver=580 # the first that knows CUDA 13

say() { printf '%s\n' "$*"; }
fail() { printf 'gpu-node: %s\n' "$*" >&2; exit 1; }
is_312() { "$1" -c 'import sys; sys.exit(sys.version_info[:2] != (3, 12))' 2>/dev/null; }

[ "$(uname -sm)" = "Linux x86_64" ] || fail "these versions are for x86-64 Linux, and this is $(uname -sm)."
driver="$(nvidia-smi --query-gpu=driver_version --format=csv,noheader 2>/dev/null | head -n 1)" || true
[ -n "$driver" ] || fail "no NVIDIA GPU can be seen here. For a machine without one: make setup-verl"
[ "${driver%%.*}" -ge "$oldest_driver" ] 2>/dev/null ||
    fail "the NVIDIA driver $driver is too old for CUDA 13. Install $oldest_driver or newer."
python="${PYTHON:-python3}"
is_312 "$python" || python=python3.12
is_312 "$python" || fail "Python 3.12 is needed. Name one: PYTHON=/path/to/python3.12 deploy/gpu-node.sh"

if ! "$venv/bin/python" -c 'import pip' 2>/dev/null; then
    say "Making $venv with $("$python" -V)"
    "$python" -m venv --clear "$venv" || fail "no virtual environment could be made. On Debian: apt-get install python3.12-venv"
fi
pip() { "$venv/bin/python" -m pip --disable-pip-version-check "$@"; }

say "Installing verl, vLLM and the platform (about 10 GB at first)"
pip install --quiet --upgrade "pip>=25.1"
pip install --quiet --constraint deploy/constraints-gpu.txt --editable ".[verl,vllm]" "verl[vllm]"
say "What this node can run:"
"$venv/bin/python" -m rpt_core doctor || fail "something is missing, see the lines with !!"
say "Ready. Set DATABASE_URL, REDIS_URL and RPT_DATA_DIR as docs/nodes.md says, then:"
say "    source $venv/bin/activate && celery -A rpt_web worker -Q gpu --loglevel INFO"
