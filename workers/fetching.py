"""Files of a corpus from an object store or a hub: copied into the version's folder, where uploads lie, piece by piece.

In: a version with an address, and the job that reads it. Out: its files, all or none (`corpora.fetched`). Whatever a
store lists lies in the version's folder or is left out with a note. Keys and tokens come from the worker's environment,
and never stand in a sentence that somebody reads.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

import fsspec

from rpt_core.errors import UserError, is_full_disk, said
from rpt_core.files import force_to_disk
from rpt_core.text.files import KINDS, kind_of
from rpt_web.corpora import addresses, fetched
from rpt_web.corpora.models import CorpusVersion, Upload
from rpt_web.corpora.uploads import DEEPEST, checked_name
from rpt_web.jobs.models import Job
from rpt_web.numbers import size
from rpt_web.text import clean_text
from workers.reports import JobReport, Stopping, Why

PIECE_BYTES = 1 << 22
MOST_ENTRIES = 100_000
"""Of files and folders at an address that are looked through."""
NAMED = 5
"""So many are named of those that are left out for the same reason."""
_QUERY = re.compile(r"(://[^\s?]+)\?\S+")
_SECRET = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|CREDENTIAL|CONNECTION_STRING|DATABASE_URL|REDIS_URL", re.IGNORECASE)
_SHORTEST_SECRET = 6
_EMPTY = "They are empty (0 bytes)."
_HIDDEN = f"Folders are left out whose name begins with a dot, and those more than {DEEPEST} deep."
_UNKNOWN = f"Files that end in {', '.join(KINDS)} are fetched, all but Parquet and Arrow also packed."
_UNFIT = "No part of a name may be empty, begin with a dot, hold what cannot be seen or be too long."
_DOUBLE = "Another has the same name, or one would be a file and a folder."


@dataclass
class Listing:
    """What there is at an address."""

    lengths: dict[str, int] = field(default_factory=dict)
    """Name within the version -> bytes."""
    places: dict[str, str] = field(default_factory=dict)
    """The same name -> what the store calls it."""
    folders: set[str] = field(default_factory=set)
    """In which these files will lie."""
    left_out: dict[str, list[str]] = field(default_factory=dict)
    """Why -> which."""

    def leave_out(self, name: str, reason: str) -> None:
        """Say why something is not fetched."""
        self.left_out.setdefault(reason, []).append(" ".join(clean_text(name).split())[:200])


def fetch(version: CorpusVersion, job: Job, report: JobReport) -> None:
    """Have the files there, unless they are already. Raises UserError and Stopping; then nothing of them is left."""
    if not version.address or version.fetched_at is not None:
        return
    if words := addresses.why_not(version.address):
        raise UserError(words)
    try:
        _fetch_all(version, job, report)
    except fetched.Lost:
        raise Stopping(Why.FENCED) from None
    except BaseException:
        with suppress(fetched.Lost):
            fetched.give_up(version, job)
        raise


def _fetch_all(version: CorpusVersion, job: Job, report: JobReport) -> None:
    report(None, f"Listing {version.address}")
    with _asking(version.address):
        store = fsspec.filesystem(addresses.protocol_of(version.address), skip_instance_cache=True)
    listing = listed(store, version.address, report)
    total, done = sum(listing.lengths.values()), 0
    for upload in fetched.begin(version, job, listing.lengths):
        for come in _copied(store, listing.places[upload.name], upload):
            report((done + come) / total, f"Fetching {upload.name}: {size(done + come)} of {size(total)}")
        fetched.arrive(upload)
        done += upload.length
    fetched.end(version, job, notes_of(version.address, listing))


def listed(store: Any, address: str, report: JobReport) -> Listing:
    """The files at an address. Raises UserError when none of them is read."""
    listing = Listing()
    with _asking(address):
        top = store.info(store._strip_protocol(address))
    root = top["name"].rstrip("/")
    if top["type"] == "directory":
        for name, info in _walked(store, root, address, listing, report):
            _judge(name, info, listing)
    else:
        _judge(root.rpartition("/")[2], top, listing)
    if not listing.lengths:
        raise UserError(" ".join([f"There is no file to read at {address}.", *notes_of(address, listing)]))
    return listing


def notes_of(address: str, listing: Listing) -> list[str]:
    """Sentences about what is not fetched."""
    return [f"Not fetched from {address}: {_some(names)}. {reason}" for reason, names in listing.left_out.items()]


def words_of(error: Exception) -> str:
    """What a store's library says, without what signs an address, and without anything secret of the environment."""
    words = _QUERY.sub(r"\1?…", str(error))
    for name, value in os.environ.items():
        if _SECRET.search(name) and len(value) >= _SHORTEST_SECRET:
            words = words.replace(value, "…")
    return said(OSError(words))


def _walked(
    store: Any, root: str, address: str, listing: Listing, report: JobReport
) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """All files in a folder and the folders in it, by their names within it."""
    left, seen = [root], 0
    while left:
        folder = left.pop()
        with _asking(address):
            entries = store.ls(folder, detail=True)
        for info in sorted(entries, key=lambda entry: str(entry["name"])):
            report(None, f"Listing {address}")
            seen += 1
            if seen > MOST_ENTRIES:
                raise UserError(f"{address} holds more than {MOST_ENTRIES:,} files and folders. Name a part of it.")
            place = str(info["name"]).rstrip("/")
            name = place.removeprefix(f"{root}/")
            if place == folder or not place.startswith(f"{folder}/"):  # the mark of a folder, or a store that lies
                continue
            if info["type"] != "directory":
                yield name, info
            elif _is_closed(name):
                listing.leave_out(f"{name}/", _HIDDEN)
            else:
                left.append(place)


def _is_closed(folder: str) -> bool:
    parts = folder.split("/")
    return len(parts) >= DEEPEST or any(part.startswith(".") or not part for part in parts)


def _judge(name: str, info: Mapping[str, Any], listing: Listing) -> None:
    """Take a file that is read under a name that stays in the version's folder; leave out all others."""
    try:
        own = checked_name(name)
    except UserError:
        listing.leave_out(name, _UNKNOWN if kind_of(Path(name)) is None else _UNFIT)
        return
    around = {str(folder) for folder in PurePosixPath(own).parents}
    if own in listing.lengths or own in listing.folders or not around.isdisjoint(listing.lengths):
        listing.leave_out(name, _DOUBLE)
    elif not info["size"]:
        listing.leave_out(name, _EMPTY)
    else:
        listing.lengths[own], listing.places[own] = int(info["size"]), str(info["name"])
        listing.folders |= around


def _copied(store: Any, place: str, upload: Upload) -> Iterator[int]:
    """Copy one file piece by piece; how many bytes have come after each. Raises UserError when it is not as listed."""
    upload.part.parent.mkdir(parents=True, exist_ok=True)
    come = 0
    with _asking(place):
        source = store.open(place, "rb")
    with source, upload.part.open("wb") as target:
        while data := _read(source, place):
            come += len(data)
            if come > upload.length:
                break
            target.write(data)
            fetched.grow(upload, come)
            yield come
        force_to_disk(upload.part)
    if come != upload.length:
        raise UserError(
            f"{place} has changed while it was fetched: {upload.length:,} bytes were listed. Begin again when nobody "
            "writes there."
        )


def _read(source: Any, place: str) -> bytes:
    with _asking(place):
        data: bytes = source.read(PIECE_BYTES)
    return data


@contextmanager
def _asking(place: str) -> Iterator[None]:
    """For a call of a store's library alone: whatever it raises ends in a sentence."""
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"There is nothing at {place}, or the worker's keys do not open it.") from None
    except Exception as error:
        if isinstance(error, MemoryError) or is_full_disk(error):
            raise
        raise UserError(
            f"{place} cannot be fetched: {words_of(error)}. Look whether the worker's environment has the right keys, "
            "and begin again."
        ) from None


def _some(names: list[str]) -> str:
    return ", ".join(names[:NAMED]) + (f" and {len(names) - NAMED:,} more" if len(names) > NAMED else "")
