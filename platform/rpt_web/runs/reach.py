"""The one door to what a config may read: every path, hub name and address that a user gives passes here.

In: a config, whole or in its sound parts. Out: refusals by field, or a UserError. Pages, API, suites, pre-flight, the
trace view and the worker all ask here; somebody at a shell (`python -m rpt_core`) is not limited.

A path is allowed when, after all links are resolved, it lies below a root: RPT_READ_ROOTS, what runs have made, corpora
that were uploaded, and the prompt templates and pattern lists that people have saved. The data folder itself is no root
whatever the setting says, since the secret key lies in it, and neither are /proc, /sys and /dev: what lies in one of
them needs a root inside of it. What the platform keeps for a team is read in the name of that team, or of one that it
is shared with (`runs.belonging`); without teams, for programs of the platform itself, that is left open. Only regular
files are read, and a folder is allowed when all that its links lead to is.
Files that a shipped preset requires may be read at the place that it names.
A refusal is the same whether or not there is anything at the path. docs/security.md says who is trusted with what.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Collection, Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

from django.conf import settings
from pydantic import BaseModel

from rpt_core.analysis.patterns import keyword_list_names
from rpt_core.config.reads import Reading, Reads, readings
from rpt_core.errors import UserError
from rpt_core.plans.preset import load_preset, preset_names
from rpt_core.problems.prompts import template_names
from rpt_core.run import products
from rpt_web.runs import belonging
from rpt_web.text import clean_text

LONGEST_PATH, LONGEST_NAME = 1000, 255
"""Bytes of a path and of each part of it: what file systems and the tables of a run take."""
MOST_ENTRIES = 100_000
"""A folder with more files and folders in it cannot be looked through while somebody waits."""
SYSTEM_FOLDERS = (Path("/proc"), Path("/sys"), Path("/dev"))
Teams = Collection[int] | None
Refusal = tuple[str, str]
"""Dotted name of the field, and why its value may not be read."""
_HUB_NAME = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?")


def require(config: BaseModel, *, is_plan: bool = False, teams: Teams = None) -> None:
    """Raises UserError with all that the config may not read."""
    if found := refusals(config, is_plan=is_plan, teams=teams):
        raise UserError(" ".join(f"`{field}`: {words}" for field, words in found))


def refusals(config: BaseModel, *, is_plan: bool = False, teams: Teams = None) -> list[Refusal]:
    """What the config may not read. In a plan, references to what another run will make are left alone."""
    asked = [reading for reading in readings(config) if not (is_plan and is_reference(reading.value))]
    return [(reading.field, words) for reading in asked if (words := why_not(reading, teams))]


def why_not(reading: Reading, teams: Teams = None) -> str:
    """Why one value may not be read, in the name of these teams, and what is allowed; empty for one that may be."""
    if reading.value in _built_in(reading.kind):
        return ""
    if reading.kind is Reads.ADDRESS:
        return _of_address(reading.value)
    if reading.kind is Reads.MODEL and _is_hub_name(reading.value):
        return _of_hub_name(reading.value)
    return _of_path(reading.value, teams)


def why_elsewhere(reading: Reading) -> str:
    """That a file which a shipped preset requires is not on this machine: a node may have it. Empty for all else."""
    path = str(settings.ROOT / reading.value)
    if path not in of_presets()[1] or os.path.exists(path):
        return ""
    return f"{_shown(reading.value)} is not on this machine. Only a worker on a machine that has it can run this."


def template_place(name: str, teams: Teams = None) -> str:
    """A template's name, or the path at which the stages find it. Raises UserError when it may not be read."""
    if words := why_not(Reading("template", name, Reads.TEMPLATE), teams):
        raise UserError(words)
    return name if name in template_names() else str(settings.ROOT / name)


def is_reference(value: str) -> bool:
    """Whether a value has the form of `@NAME/WHAT`, which a plan resolves into a run's own files."""
    name, _, what = value.removeprefix("@").partition("/")
    try:
        products.parse(what)
    except UserError:
        return False
    return value.startswith("@") and bool(name)


def _own_roots() -> list[Path]:
    """What runs have made, what people have uploaded and written here, and what an administrator allows."""
    own = [settings.RPT_DATA_DIR / name for name in ("runs", "corpora", "wordings")]
    return [*own, *settings.RPT_READ_ROOTS]


def roots() -> list[Path]:
    """The folders that may be read, links resolved."""
    return [Path(os.path.realpath(root)) for root in _own_roots()]


def hub_models() -> list[str]:
    """Names and patterns of the models that may be fetched from a hub: the setting, or what shipped presets name."""
    return list(of_presets()[0] if settings.RPT_HUB_MODELS is None else settings.RPT_HUB_MODELS)


def _built_in(kind: Reads) -> list[str]:
    if kind is Reads.TEMPLATE:
        return template_names()
    return keyword_list_names() if kind is Reads.KEYWORDS else []


def _of_address(address: str) -> str:
    if address in settings.RPT_RAY_ADDRESSES:
        return ""
    listed = ", ".join(settings.RPT_RAY_ADDRESSES) or "none"
    return (
        f"A worker may not contact {_shown(address)}. Allowed: {listed}. Leave it empty, or ask an administrator to "
        "list it in RPT_RAY_ADDRESSES."
    )


def _is_hub_name(value: str) -> bool:
    """Whether a model's path is taken for a hub's: it looks like one, and no folder here has that name."""
    return _HUB_NAME.fullmatch(value) is not None and not os.path.lexists(settings.ROOT / value)


def _of_hub_name(name: str) -> str:
    allowed = hub_models()
    if any(fnmatchcase(name, pattern) for pattern in allowed):
        return ""
    return (
        f"The model {_shown(name)} may not be fetched from a hub. Allowed: {', '.join(allowed) or 'none'}. Name a "
        f"folder below {_listed(roots())}, or ask an administrator to list the model in RPT_HUB_MODELS."
    )


def _of_path(value: str, teams: Teams) -> str:
    if words := _of_form(value):
        return words
    path = Path(os.path.realpath(settings.ROOT / value))
    if not _is_allowed(path):
        return (
            f"{_shown(value)} is not below a folder that runs may read: {_listed(roots())}. Put it there, or ask an "
            "administrator to add its folder to RPT_READ_ROOTS."
        )
    if teams is not None and not belonging.is_theirs(path, teams):
        return (
            f"{_shown(value)} is nothing that the team's runs may read: it is another team's and not shared, or not "
            "any more, or it is gone. Name something of the team, or ask the other one to share it."
        )
    try:
        return _of_kind(value, path)
    except OSError as error:
        return f"{_shown(value)} cannot be read: {error.strerror}."


def _of_form(value: str) -> str:
    """Why a text cannot be a path, whatever lies there."""
    if not value.strip():
        return "The path is empty. Name a file or a folder."
    if not value.isprintable():
        return f"{_shown(value)} holds characters that cannot be seen. Write the path without them."
    if "://" in value:
        return f"{_shown(value)} is an address, and files alone are read. Mount the store, or download the files first."
    if ".." in Path(value).parts:
        return f"{_shown(value)} holds `..`. Write the path out."
    size, longest = len(value.encode()), max(len(part.encode()) for part in (*Path(value).parts, ""))
    if size > LONGEST_PATH or longest > LONGEST_NAME:
        return (
            f"The path {_shown(value)} is too long. Give at most {LONGEST_PATH} bytes, and at most {LONGEST_NAME} "
            "between two slashes."
        )
    return ""


def _of_kind(value: str, path: Path) -> str:
    """Why something below a root may not be read. What is not there is left to whoever reads it."""
    if not path.exists():
        return ""
    if path.is_dir():
        return _of_folder(value, path)
    return "" if path.is_file() else f"{_shown(value)} is not a regular file. Name a file, or a folder of files."


def _of_folder(value: str, folder: Path) -> str:
    for number, entry in enumerate(_entries(folder)):
        if number >= MOST_ENTRIES:
            return f"{_shown(value)} holds more than {MOST_ENTRIES:,} files. Name a folder with fewer."
        place = entry.path.removeprefix(f"{folder}/")
        if entry.is_symlink() and not _is_allowed(Path(os.path.realpath(entry.path))):
            return (
                f"The link {_shown(place)} in {_shown(value)} leads out of the folders that runs may read: "
                f"{_listed(roots())}. Put the file itself there."
            )
        if _is_device(entry):
            return f"{_shown(place)} in {_shown(value)} is not a regular file. Remove it from the folder."
    return ""


def _entries(folder: Path) -> Iterator[os.DirEntry[str]]:
    """All that lies in a folder, and in the allowed folders that its links lead to."""
    seen, left = {folder}, [folder]
    while left:
        with os.scandir(left.pop()) as entries:
            for entry in entries:
                yield entry
                if entry.is_dir() and (inner := Path(os.path.realpath(entry.path))) not in seen and _is_allowed(inner):
                    seen.add(inner)
                    left.append(inner)


def _is_device(entry: os.DirEntry[str]) -> bool:
    """Whether reading it may never end: a device or a pipe. A socket cannot be opened as a file."""
    if entry.is_dir() or entry.is_file():
        return False
    try:
        mode = entry.stat().st_mode
    except FileNotFoundError:  # a link to nothing
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISCHR(mode) or stat.S_ISBLK(mode)


def _is_allowed(path: Path) -> bool:
    """Whether a path without links lies below a root, and in no closed folder that the root does not lie in itself."""
    if str(path) in of_presets()[1]:
        return True
    closed = [Path(os.path.realpath(settings.RPT_DATA_DIR)), *SYSTEM_FOLDERS]
    around = [folder for folder in closed if path.is_relative_to(folder)]
    return any(
        path.is_relative_to(root) and all(root != folder and root.is_relative_to(folder) for folder in around)
        for root in roots()
    )


@cache
def of_presets() -> tuple[tuple[str, ...], frozenset[str]]:
    """Hub names in the shipped presets, and the files that they require, where the stages look for them."""
    presets = [load_preset(name) for name in preset_names()]
    configs = [run.rehearse(0) for preset in presets for run in preset.runs]
    asked = [reading.value for config in configs for reading in readings(config) if reading.kind is Reads.MODEL]
    names = sorted({name for name in asked if _HUB_NAME.fullmatch(name)})
    files = frozenset(str(settings.ROOT / path) for preset in presets for path in preset.requires.paths)
    return tuple(names), files


def _listed(folders: list[Path]) -> str:
    return ", ".join(map(str, dict.fromkeys(folders)))


def _shown(value: str) -> str:
    text = clean_text(value)
    return repr(text if len(text) <= 100 else f"{text[:100]}…")
