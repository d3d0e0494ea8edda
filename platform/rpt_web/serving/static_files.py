"""Static files: each under a name with a hash of what it holds, so that browsers keep it for good, and gzipped once.

In: the files of the checkout and of the installed apps. Out: a folder RPT_DATA_DIR/static/HASH with all of them. The
first process that needs it makes it, whole or not at all, and nothing in it is changed later: other files make another
folder. So no command has to be called after an update, in a test or in an image. With RPT_DEBUG=yes files are served as
they are.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib.staticfiles import finders
from django.contrib.staticfiles.storage import staticfiles_storage
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.storage import CompressedManifestStaticFilesStorage

PARENT = settings.RPT_DATA_DIR / "static"
"""Where this process has its folder."""
FOLDERS_KEPT = 5
"""So many versions stay: a server that runs on while a new one starts continues with its own."""


class LastingNames(CompressedManifestStaticFilesStorage):  # type: ignore[misc] # it has no types
    """Gives the names, from the folder of the files as they were when the process began."""

    def __init__(self) -> None:
        super().__init__(location=collected(PARENT))


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc] # it has no types
    """Serves that folder."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        super().__init__(get_response)
        names: Any = staticfiles_storage
        self.add_files(names.location, prefix=self.static_prefix)

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        """Whole, since they are small: under asyncio, Django takes a file that is sent in parts for a mistake."""
        found = static_file.get_response(request.method, request.META)
        with found.file or io.BytesIO() as file:
            response = HttpResponse(file.read(), status=int(found.status))
        del response["Content-Type"]
        for name, value in found.headers:
            response[name] = value
        return response


def collected(parent: Path) -> Path:
    """The folder below `parent` with the files as they are now; made when it is not there."""
    sources = found()
    folder = parent / fingerprint(sources)
    if not folder.is_dir():
        parent.mkdir(parents=True, exist_ok=True)
        _make(folder, sources)
        for old in sorted(_complete(parent), key=lambda path: path.stat().st_mtime)[:-FOLDERS_KEPT]:
            shutil.rmtree(old, ignore_errors=True)
    return folder


def found() -> dict[str, Path]:
    """All static files by name; where two have one name, the first counts."""
    files: dict[str, Path] = {}
    for finder in finders.get_finders():
        for name, storage in finder.list([]):
            files.setdefault(name, Path(storage.path(name)))
    return files


def fingerprint(sources: dict[str, Path]) -> str:
    """A hash of all names and contents."""
    hashed = hashlib.sha256()
    for name, path in sorted(sources.items()):
        hashed.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return hashed.hexdigest()[:16]


def _make(folder: Path, sources: dict[str, Path]) -> None:
    """Copy, hash and compress them into a draft, which then takes the folder's name."""
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=folder.parent))
    try:
        for name, path in sources.items():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, draft / name)
        _process(draft, list(sources))
        with contextlib.suppress(OSError):  # another process was faster
            draft.rename(folder)
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    if not folder.is_dir():
        raise OSError(f"{folder} could not be made.")


def _process(draft: Path, names: list[str]) -> None:
    storage: Any = CompressedManifestStaticFilesStorage(location=draft)
    for _name, _hashed, done in storage.post_process({name: (storage, name) for name in names}):
        if isinstance(done, Exception):
            raise done


def _complete(parent: Path) -> list[Path]:
    return [path for path in parent.iterdir() if not path.name.startswith(".")]
