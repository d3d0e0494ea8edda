# shellcheck shell=bash
# Sourced by scripts/setup, which defines say: which Python it takes when nobody names one.

# Whether the platform runs with a Python, and a virtual environment can be made of it.
is_usable() { "$1" -c 'import ensurepip, sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; }

# Whether a Python was compiled without optimizations, as pyenv does by default. Everything is slower with it.
# Distributions optimize theirs, though some, such as Debian, do not list the option.
is_unoptimized() {
    "$1" -c '
import sys, sysconfig
arguments = sysconfig.get_config_var("CONFIG_ARGS") or "--enable-optimizations"
sys.exit("--enable-optimizations" in arguments or sys.base_prefix == "/usr")' 2>/dev/null
}

# The Python of the command line, or that of the system where the first was compiled without optimizations.
default_python() {
    if is_unoptimized python3 && is_usable /usr/bin/python3 && ! is_unoptimized /usr/bin/python3; then
        say "$(command -v python3) was compiled without optimizations; taking /usr/bin/python3" >&2
        echo /usr/bin/python3
    else
        echo python3
    fi
}
