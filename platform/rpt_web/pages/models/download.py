"""A model's files as one archive, sent as they are read: weights as safetensors, in the Hugging Face layout.

In: a registered model whose folder may be read. Out: a tar archive, which needs no memory and has its length in
advance. What training keeps beside the weights stays here: the optimiser's state and the metadata are no part of it.
"""

from __future__ import annotations

import tarfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import BinaryIO

from asgiref.sync import sync_to_async
from django.conf import settings
from django.http import Http404, HttpRequest, StreamingHttpResponse
from django.utils.http import content_disposition_header
from django.utils.text import slugify
from django.views.decorators.http import require_GET

from rpt_core.config.reads import Reading, Reads
from rpt_web import access
from rpt_web.corpora.models import ModelSource
from rpt_web.runs import reach

CHUNK_BYTES = 1 << 20
FILES = (
    "config.json",
    "generation_config.json",
    "*.safetensors",
    "*.safetensors.index.json",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    "merges.txt",
    "chat_template*",
    "README.md",
    "LICENSE*",
)
"""What belongs to a model in that layout."""


@require_GET
def model_files(request: HttpRequest, model_id: int) -> StreamingHttpResponse:
    """The archive. Raises Http404 for a model on a hub, and for one whose folder is gone or no longer allowed."""
    model = access.get_model_or_404(request.user, model_id)
    folder = settings.ROOT / model.path
    if model.source == ModelSource.HUB or reach.why_not(Reading("path", model.path, Reads.MODEL), [model.team_id]):
        raise Http404("The model's files are not here.")
    return sent(folder, slugify(model.name) or "model")


def sent(folder: Path, name: str) -> StreamingHttpResponse:
    """The model of a folder under a name. Raises Http404 where there is none."""
    files = files_of(folder)
    if not files:
        raise Http404("The model's folder is gone, or holds no model.")
    sizes = [(f"{name}/{file.name}", file, file.stat().st_size) for file in files]
    response = StreamingHttpResponse(archive(sizes), content_type="application/x-tar")
    response["Content-Disposition"] = content_disposition_header(True, f"{name}.tar")
    response["Content-Length"] = str(length(sizes))
    return response


def files_of(folder: Path) -> list[Path]:
    """The model's own files in a folder, by name."""
    return sorted({file for pattern in FILES for file in folder.glob(pattern) if file.is_file()})


def length(sizes: list[tuple[str, Path, int]]) -> int:
    """Bytes of the archive."""
    return sum(len(_head(name, size)) + _padded(size) for name, _, size in sizes) + 2 * tarfile.BLOCKSIZE


async def archive(sizes: list[tuple[str, Path, int]]) -> AsyncIterator[bytes]:
    """The archive in pieces. A file that has become shorter meanwhile ends it early: nobody takes it for whole."""
    for name, file, size in sizes:
        yield _head(name, size)
        opened = await sync_to_async(_open, thread_sensitive=False)(file)
        try:
            left = size
            while left:
                piece = await sync_to_async(opened.read, thread_sensitive=False)(min(CHUNK_BYTES, left))
                if not piece:
                    return
                left -= len(piece)
                yield piece
        finally:
            opened.close()
        yield b"\0" * (_padded(size) - size)
    yield b"\0" * (2 * tarfile.BLOCKSIZE)


def _open(file: Path) -> BinaryIO:
    return file.open("rb")


def _head(name: str, size: int) -> bytes:
    found = tarfile.TarInfo(name)
    found.size, found.mode = size, 0o644
    return found.tobuf(tarfile.PAX_FORMAT)


def _padded(size: int) -> int:
    return -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE
