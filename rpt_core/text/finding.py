"""Which files are read of those that are named or lie in a folder, and which are not and why.

In: paths as a config names them, and what the reader understands. Out: a Found: the files in a fixed order, and notes
about what looks like data and is left out, with what to do. Of a folder that `datasets` has saved, the files that its
`state.json` names are read. Hidden and linked folders are not entered.
"""

from __future__ import annotations

import io
import json
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any

from rpt_core.errors import UserError
from rpt_core.text.files import KINDS, DataFile, kind_of, refuse_broken, unreadable
from rpt_core.text.json_values import json_values, records_within
from rpt_core.text.opening import opened

_ARCHIVES = (".zip", ".tar", ".tgz", ".tbz", ".txz", ".7z", ".rar", ".xz", ".lz4", ".lzma", ".br", ".gz", ".gzip",
             ".zst", ".zstd", ".bz2")  # fmt: skip
_TOOLS = ("__MACOSX", "__pycache__", "_delta_log", "_temporary")
"""Folders that hold no data, like those whose name begins with a dot."""
_STATE = "state.json"
"""In a folder that `datasets` has saved: it names the files with the rows."""
_METADATA = (_STATE, "dataset_info.json", "dataset_infos.json", "dataset_dict.json")
_ABOUT = re.compile(
    r"(authors|changelog|citation|contributing|copying|copyright|credits|licen[sc]es?|notice|readme|requirements|robots)"
    r"([-_. ].{0,12})?"
)
"""Names, without their ending, of files that tell about data."""
_NO_DATA = (".py", ".sh", ".ipynb", ".toml", ".yaml", ".yml", ".ini", ".cfg", ".lock", ".log", ".md5", ".sha256",
            ".sha1", ".crc", ".png", ".jpg", ".jpeg", ".gif", ".svg", ".css", ".js", ".bib", ".metadata", ".cff",
            ".gitignore", ".gitattributes")  # fmt: skip
_LOOKED_AT = 10_000
"""So many files of a hidden folder are looked at."""
_SHARD = re.compile(r"(.*?)(\d+)(-of-)(\d+)(.*)")
_NAMED = 5
"""So many files are named of those that are left out for the same reason."""


@dataclass
class Found:
    """What is read and what is not."""

    files: list[DataFile] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


@dataclass(frozen=True)
class Reader:
    """What somebody who wants files can read."""

    kinds: Sequence[str] = tuple(dict.fromkeys(KINDS.values()))
    format: str = "auto"
    """A kind, or `auto`: by the file's ending."""
    fields: Sequence[str] = ()
    """Names of the fields that a record must have."""
    folder_texts: bool = True
    """Whether a .txt file in a folder is a document."""

    @property
    def endings(self) -> list[str]:
        """Endings of the files that are read; one of compression may follow."""
        kinds = self.kinds if self.format == "auto" else (self.format,)
        return [ending for ending, kind in KINDS.items() if kind in kinds]

    def kind_of(self, path: Path) -> str | None:
        """The kind of a file that is read; None for another."""
        kind = kind_of(path)
        kinds = self.kinds if self.format == "auto" else (self.format,)
        return kind if kind in kinds else None


def find_files(paths: Iterable[str], reader: Reader) -> Found:
    """The files to read, folders opened, and notes about others.

    Raises UserError for what does not exist, folders without files to read, a file of an unknown ending that is named
    itself, and files that cannot be what they seem.
    """
    found = Found()
    for path in map(Path, paths):
        if path.is_dir():
            inside = _inside(path, reader)
            found.files += inside.files
            found.notes += inside.notes
        else:
            found.files.append(DataFile(path, _kind_of_named(path, reader), path.name))
    for file in found.files:
        refuse_broken(file)
    found.notes += _missing_shards(found.files)
    return found


def _missing_shards(files: Sequence[DataFile]) -> list[str]:
    """Notes about files such as train-00001-of-00004.parquet that are not there though others of their number are."""
    sets: dict[tuple[Path, str, str, str], set[int]] = {}
    for file in files:
        if (match := _SHARD.fullmatch(file.path.name)) is not None:
            before, number, _, total, after = match.groups()
            sets.setdefault((file.path.parent, before, total, after), set()).add(int(number))
    notes = []
    for (folder, before, total, after), numbers in sets.items():
        # Most count from 0, some from 1.
        first = 1 if int(total) in numbers else 0
        wanted = range(first, first + min(int(total), _LOOKED_AT))
        missing = [f"{before}{n:0{len(total)}}-of-{total}{after}" for n in wanted if n not in numbers]
        if missing:
            notes.append(f"Not there in {folder}: {_some(missing)}. Fetch what is missing of this set of files.")
    return notes


def _kind_of_named(path: Path, reader: Reader) -> str:
    """The kind of a file that is named itself."""
    if not path.exists():
        raise UserError(f"{path} {_missing(path)}. Name existing files or folders in `paths`.")
    if reader.format != "auto":
        return reader.format
    if (kind := reader.kind_of(path)) is not None:
        return kind
    if path.name.lower().endswith(_ARCHIVES):
        raise UserError(f"{path} is an archive or packed, which is not read. Unpack it, and name what was in it.")
    raise UserError(
        f"The format of {path} is unknown: its ending is none of {', '.join(reader.endings)}. Convert it, or rename it "
        "where it is one of these."
    )


def _missing(path: Path) -> str:
    return f"is a link to {os.readlink(path)}, which does not exist" if path.is_symlink() else "does not exist"


def _inside(folder: Path, reader: Reader) -> Found:
    """The files of a folder, and of the folders in it."""
    found, left_out = Found(), dict[str, list[str]]()
    for path in sorted(_walk(folder, left_out)):
        name = str(path.relative_to(folder))
        kind, reason = _judged(path, reader)
        if kind is not None:
            found.files.append(DataFile(path, kind, name))
        elif reason:
            left_out.setdefault(reason, []).append(name)
    found.notes = [_note(folder, reason, names) for reason, names in left_out.items()]
    if not found.files:
        raise UserError(
            " ".join(
                [
                    f"{folder} holds no file that ends in {' or '.join(reader.endings)}. Name another folder in "
                    "`paths`.",
                    *found.notes,
                ]
            )
        )
    return found


def _note(folder: Path, reason: str, names: list[str]) -> str:
    return f"Not read in {folder}: {_some(names)}. {reason}"


def _some(names: list[str]) -> str:
    return ", ".join(names[:_NAMED]) + (f" and {len(names) - _NAMED} more" if len(names) > _NAMED else "")


_HIDDEN = "Hidden files and folders are left out; rename them, or name them in `paths`, if they are data."
_LINKED = "Linked folders are not entered. Name them in `paths` if they are data."
_PACKED = "Archives are not read. Unpack them if they hold data."
_FIELDLESS = (
    "A text file has no fields, and `mapping` names some. Name the file itself in `paths` if it is a document of its "
    "own."
)
_ABOUT_DATA = "They seem to describe the data. Name them in `paths` if they are documents."
_NO_RECORDS = "They hold no record with the fields of `mapping`. Correct `mapping` if they are data."
_CACHED = "The library `datasets` keeps intermediate results there. Name them in `paths` if they are data."


def _unknown(reader: Reader) -> str:
    return (
        f"Files that end in {', '.join(reader.endings)} are read. Convert the others, or rename them, if they are data."
    )


def _judged(path: Path, reader: Reader) -> tuple[str | None, str]:
    """How a file in a folder is read, or why it is not; an empty reason for what is no data."""
    name, kind = path.name, reader.kind_of(path)
    about = _ABOUT.fullmatch(name.lower().split(".")[0]) is not None
    if kind is None:
        if name.lower().endswith(_ARCHIVES) and kind_of(path) is None:
            return None, _PACKED
        is_data = not (about or name.startswith("_") or path.suffix.lower() in _NO_DATA or name in _METADATA)
        return None, _unknown(reader) if is_data else ""
    if kind == "text" and not reader.folder_texts:
        return None, _FIELDLESS
    if kind == "text" and about:
        return None, _ABOUT_DATA
    if kind == "arrow" and name.startswith("cache-"):
        return None, _CACHED
    if kind == "json" and (name in _METADATA or _is_metadata(path, reader.fields)):
        return None, "" if name in _METADATA else _NO_RECORDS
    return kind, ""


def _is_metadata(path: Path, fields: Sequence[str]) -> bool:
    """Whether a .json file is one object without the wanted fields and without a list of records."""
    try:
        with opened(path) as source:
            text = io.TextIOWrapper(source.stream, encoding="utf-8-sig")
            values = json_values(text)
            first, second = next(values, None), next(values, None)
    except Exception:
        return False  # whoever reads it says what is wrong
    return isinstance(first, dict) and second is None and not (_has(first, fields) or records_within(first))


def _has(record: dict[str, Any], fields: Sequence[str]) -> bool:
    return not fields or any(name in record or name.split(".")[0] in record for name in fields)


def _walk(folder: Path, left_out: dict[str, list[str]]) -> Iterator[Path]:
    """All files of a folder that are not hidden. Raises UserError for a folder that cannot be opened."""

    def refuse(error: OSError) -> None:
        raise UserError(unreadable(Path(str(error.filename)), error)) from error

    for name, folders, files in os.walk(folder, onerror=refuse):
        place = Path(name)
        for inner in sorted(folders):
            if (reason := _closed(place / inner)) is not None:
                folders.remove(inner)
                if reason == _LINKED or _holds_data(place / inner):
                    left_out.setdefault(reason, []).append(f"{(place / inner).relative_to(folder)}/")
        yield from _files(place, files, folder, left_out)


def _closed(folder: Path) -> str | None:
    """Why a folder is not entered; None when it is."""
    if folder.name.startswith(".") or folder.name in _TOOLS:
        return _HIDDEN
    return _LINKED if folder.is_symlink() else None


def _holds_data(folder: Path) -> bool:
    """Whether some of the first files in a folder could be data."""
    names = islice((name for _, _, names in os.walk(folder) for name in names), _LOOKED_AT)
    return any(kind_of(Path(name)) is not None for name in names)


def _files(place: Path, names: list[str], root: Path, left_out: dict[str, list[str]]) -> Iterator[Path]:
    if _STATE in names and (saved := _saved_names(place / _STATE)) is not None:
        names = saved
    for name in names:
        path = place / name
        if name.startswith("."):
            if kind_of(path) is not None:
                left_out.setdefault(_HIDDEN, []).append(str(path.relative_to(root)))
        elif path.is_symlink() and not path.exists():
            if kind_of(path) is not None:
                raise UserError(f"{path} {_missing(path)}. Fetch the data, or remove the link.")
        elif path.is_file():
            yield path


def _saved_names(state: Path) -> list[str] | None:
    """Files with rows of a folder that `datasets` has saved; None when this is another state."""
    try:
        value = json.loads(state.read_bytes())
        names = [str(item["filename"]) for item in value["_data_files"]]
    except (KeyError, TypeError):
        return None
    except Exception as error:
        raise UserError(unreadable(state, error)) from error
    if value.get("_indices_data_files"):
        raise UserError(
            f"{state.parent} was saved by an old version of `datasets` as a selection of rows, which is not read. Save "
            "it again after `flatten_indices()`."
        )
    if missing := [name for name in names if not (state.parent / name).is_file()]:
        raise UserError(f"{state} names {missing[0]}, which is not there. Fetch or save the whole folder again.")
    return names
