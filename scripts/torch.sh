# Sourced by the setup scripts, which define pip, say, fail and $venv: the build of torch that fits this machine.

# A GPU that torch's CUDA build can use.
has_gpu() { command -v nvidia-smi >/dev/null && nvidia-smi -L 2>/dev/null | grep -q GPU; }

# Whether the CPU build must be asked for; macOS has no other.
wants_cpu_build() { [ "$(uname -s)" = Linux ] && ! has_gpu; }

# Installs torch in the version that a constraints file names.
install_torch() {
    local version
    version="$(sed -n 's/^torch==\([0-9.]*\).*/\1/p' "$1")"
    [ -n "$version" ] || fail "$1 names no version of torch"
    if ! wants_cpu_build; then
        pip install --quiet --constraint "$1" "torch==$version"
    elif ! pip install --quiet --constraint "$1" "torch==$version+cpu" 2>/dev/null; then
        say "pip finds no CPU build of torch $version; asking uv for it"
        pip install --quiet uv
        "$venv/bin/python" -m uv pip install --quiet --python "$venv/bin/python" --constraint "$1" --torch-backend=cpu "torch==$version"
    fi
}

# Stops when a machine without a GPU got CUDA packages: they are gigabytes that nothing can use.
check_torch() {
    local found
    found="$(pip list --format=freeze | grep -i -E '^(nvidia-|cuda-|triton==)' | tr '\n' ' ' || true)"
    if wants_cpu_build && [ -n "$found" ]; then
        fail "CUDA packages were installed on a machine without a GPU: $found. Delete $venv and run the setup again."
    fi
}
