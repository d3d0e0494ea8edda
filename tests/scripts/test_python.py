"""The setup takes an optimized Python: the one of the command line, or else the system's."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "scripts"
SYSTEM = "/usr/bin/python3"
CHOOSE = f'say() {{ printf "%s\\n" "$*"; }}; source "{SCRIPTS}/python.sh"; default_python'
UNOPTIMIZED = """
import sys, sysconfig
sys.base_prefix = "/home/ada/.pyenv/versions/3.11.7"
sysconfig.get_config_var = lambda name: "'--prefix=/home/ada/.pyenv/versions/3.11.7' '--enable-shared'"
"""


@pytest.fixture
def chosen(tmp_path):
    """chosen(before) -> the Python that is taken, and the message; `python3` runs the code `before` first."""

    def chosen(before):
        program = tmp_path / "python3"
        program.write_text(
            f'#!{shutil.which("bash")}\nexec "{sys.executable}" -c "$(cat {tmp_path}/before.py; echo "$2")"\n'
        )
        program.chmod(0o755)
        (tmp_path / "before.py").write_text(before)
        path = f"{tmp_path}:/usr/bin:/bin"
        done = subprocess.run(["bash", "-c", CHOOSE], env={"PATH": path}, capture_output=True, text=True, check=True)
        return done.stdout.strip(), done.stderr.strip()

    return chosen


def is_usable(python):
    command = ["bash", "-c", f'source "{SCRIPTS}/python.sh"; is_usable {python}']
    return subprocess.run(command, check=False).returncode == 0


@pytest.mark.skipif(not is_usable(SYSTEM), reason="the system has no Python that the platform runs with")
def test_the_systems_python_is_taken_where_another_one_was_compiled_without_optimizations(chosen, tmp_path):
    said = f"{tmp_path}/python3 was compiled without optimizations; taking {SYSTEM}"
    assert chosen(UNOPTIMIZED) == (SYSTEM, said)


def test_one_that_was_compiled_with_optimizations_is_taken(chosen):
    assert chosen(UNOPTIMIZED.replace("--enable-shared", "--enable-optimizations")) == ("python3", "")


def test_one_that_does_not_say_how_it_was_compiled_is_taken(chosen):
    assert chosen(UNOPTIMIZED + "sysconfig.get_config_var = lambda name: None\n") == ("python3", "")


def test_one_that_is_too_old_is_not_usable(tmp_path):
    old = tmp_path / "old"
    old.write_text(
        f'#!{shutil.which("bash")}\nexec "{sys.executable}" -c "import sys; sys.version_info = (3, 10); $2"\n'
    )
    old.chmod(0o755)
    assert not is_usable(old)
    assert not is_usable(tmp_path / "none")
