"""Which code runs: package version, and the git commit when this is a checkout or RPT_COMMIT says it (in an image)."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from importlib import metadata

from django.conf import settings


@cache
def code_version() -> str:
    """For example `0.1.0+73d2cd7-dirty`. Read once, since a process keeps the code it has loaded."""
    return code_on_disk()


def code_on_disk() -> str:
    """The same of what a program would load that is started now, such as a stage."""
    commit = os.environ.get("RPT_COMMIT") or _git("rev-parse", "--short", "HEAD")
    if not commit:
        return _package_version()
    dirty = "-dirty" if _git("status", "--porcelain", "--untracked-files=no") else ""
    return f"{_package_version()}+{commit}{dirty}"


def _package_version() -> str:
    try:
        return metadata.version("rpt-platform")
    except metadata.PackageNotFoundError:
        return "0"


def _git(*arguments: str) -> str:
    if not (settings.ROOT / ".git").exists():
        return ""
    command = ["git", "-C", str(settings.ROOT), *arguments]
    try:
        return subprocess.run(command, capture_output=True, text=True, timeout=10, check=True).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""
