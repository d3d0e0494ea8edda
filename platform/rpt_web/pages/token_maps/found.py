"""A filter run, one of its splits, a document of it: what the address of a token map names, or a 404 that says why."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import wraps

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render

from rpt_core.positions.maps import DocumentMap
from rpt_web import access
from rpt_web.corpora import token_maps
from rpt_web.corpora.models import ScoredSplit
from rpt_web.runs.models import Run


class UnreadableDocuments(Http404):
    """The split's file is gone or damaged."""

    def __init__(self, run: Run, split: str) -> None:
        super().__init__(f"The {split} documents of {run.name!r} cannot be read.")
        self.run, self.split = run, split


@dataclass(frozen=True)
class ScoredRun:
    """What the address names, and the rule by which positions are chosen."""

    run: Run
    name: str
    """Of the split."""
    splits: dict[str, ScoredSplit]
    rule: token_maps.Rule

    @property
    def split(self) -> ScoredSplit:
        """What the run told of the split."""
        return self.splits[self.name]

    @property
    def seed(self) -> int:
        """Of the random choice."""
        return int(self.run.config.get("seed", 0))


def find(request: HttpRequest, run_id: int, split: str = "") -> ScoredRun:
    """The run and its split, the first without a name. Raises Http404."""
    run = access.get_run_or_404(request.user, run_id)
    splits = token_maps.splits_of(run)
    if run.stage != "filter" or not splits:
        raise Http404(f"“{run.name}” has scored no documents (yet): filter runs do, one split after the other.")
    name = split or next(iter(splits))
    if name not in splits:
        raise Http404(f"The run has no split of this name. It has: {', '.join(splits)}.")
    return ScoredRun(run, name, splits, token_maps.rule_of(run.config, request.GET))


def find_document(request: HttpRequest, run_id: int, split: str, row: int) -> tuple[ScoredRun, DocumentMap]:
    """The same with a document. Raises Http404."""
    found = find(request, run_id, split)
    with reading_files(found):
        return found, token_maps.document_map(found.run, split, row)


@contextmanager
def reading_files(found: ScoredRun) -> Iterator[None]:
    """A file that is gone or damaged, and a document that it does not have, are not found."""
    try:
        yield
    except IndexError:
        raise Http404("The split has no document of this number. The list of documents shows them.") from None
    except (OSError, ValueError):  # pyarrow's errors are ValueErrors
        raise UnreadableDocuments(found.run, found.name) from None


def told(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    """A page that says so when the file of its documents cannot be read."""

    @wraps(view)
    def answer(request: HttpRequest, *arguments: object, **named: object) -> HttpResponse:
        try:
            return view(request, *arguments, **named)
        except UnreadableDocuments as gone:
            context = {"nav": "experiments", "run": gone.run, "split_name": gone.split}
            return render(request, "token_maps/unreadable.html", context, status=404)

    return answer
