"""What a team has that a setting of a run can name: models, positions, lists of positions, corpora, wordings, runs.

In: the team in whose name a run reads, and the tokenizer of the model that was chosen. Out: offers, each with the value
that the config holds, a name for people, and why it does not fit where it does not. What is offered may be read
(`runs.reach`): it is the team's, or another team shares it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache, reduce
from operator import or_
from pathlib import Path
from typing import Any, TypeVar

from django.db.models import Model, OuterRef, Q, QuerySet, Subquery

from rpt_core.analysis.patterns import keyword_list_names
from rpt_core.positions.maps import tokenizer_of
from rpt_core.problems.prompts import template_names
from rpt_core.run.folder import METADATA, RunDir, positions_file
from rpt_core.words import counted
from rpt_web.corpora.models import CorpusVersion, RegisteredModel, ScoredSplit, Wording, WordingKind, WordingVersion
from rpt_web.runs.models import Checkpoint, Experiment, Run, Status
from rpt_web.runs.same_names import marks
from rpt_web.teams import sharing
from rpt_web.teams.models import Team

Row = TypeVar("Row", bound=Model)
MOST = 50
"""Offers of a kind, the newest; a search finds the others."""
LARGEST_LIST = 10_000_000
"""Bytes of a list of positions that is counted while somebody waits."""
LISTS = ("never-solved", "sometimes-solved", "always-solved")
ANOTHER_TOKENIZER = "made with another tokenizer: positions where this model's tokens do not begin are lost"


@dataclass(frozen=True)
class Offer:
    """Something that a setting can name."""

    value: str
    """As the config holds it."""
    label: str
    group: str
    misfit: str = ""
    """Why it does not fit what else was chosen; empty where it does, or nobody knows."""

    @property
    def words(self) -> str:
        """Its name, with why it does not fit."""
        return f"{self.label} ({self.misfit})" if self.misfit else self.label


@dataclass(frozen=True)
class SoughtOffers:
    """Which offers of a kind are meant: those with each of the words, or of what may have made this value; or all."""

    words: Sequence[str] = ()
    value: str = ""

    def among(self, rows: QuerySet[Row], *fields: str) -> QuerySet[Row]:
        """The rows that have each of the words in one of these fields."""
        for word in self.words:
            rows = rows.filter(reduce(or_, (Q(**{f"{field}__icontains": word}) for field in fields)))
        return rows

    def of_runs(self, rows: QuerySet[Row], to_run: str = "") -> QuerySet[Row]:
        """The same of what runs have made; a value is a path below the run's folder, so it names the run."""
        if self.value:
            keys = [int(part) for part in Path(self.value).parts if part.isdecimal() and len(part) < 19]
            rows = rows.filter(**{f"{to_run}id__in": keys})
        return self.among(rows, f"{to_run}name", f"{to_run}title", f"{to_run}experiment__name")


ANY = SoughtOffers()


def models(team: Team, sought: SoughtOffers = ANY) -> list[Offer]:
    """Registered models, and the newest checkpoint of each run that has trained (2 queries)."""
    found = registered_models(team, sought)
    newest = Checkpoint.objects.filter(run=OuterRef("run")).order_by("-step").values("pk")[:1]
    theirs = Checkpoint.objects.filter(run__experiment__in=_experiments(team), pk=Subquery(newest))
    rows = sought.of_runs(_with_runs(theirs), "run__").order_by("-run")[:MOST]
    names = _names(row.run for row in rows)
    known = {offer.value for offer in found}
    made = [
        Offer(str(row.run.directory / row.path), f"{names[row.run_id]}, step {row.step}", "Newest checkpoints")
        for row in rows
    ]
    return found + [offer for offer in made if offer.value not in known]


def registered_models(team: Team, sought: SoughtOffers = ANY) -> list[Offer]:
    """Registered models, the newest first (1 query)."""
    registered = RegisteredModel.objects.filter(_of(team, "model"))
    if sought.value:
        registered = registered.filter(path=sought.value)
    registered = sought.among(registered, "name", "path").order_by("-id")[:MOST]
    return [Offer(model.path, _named(model), "Registered models", _fault(model)) for model in registered]


def positions(team: Team, tokenizer: str, sought: SoughtOffers = ANY) -> list[Offer]:
    """What finished filter runs have chosen (1 query)."""
    splits = ScoredSplit.objects.filter(run__experiment__in=_experiments(team), split="train")
    splits = splits.filter(run__status=Status.SUCCEEDED)
    rows = sought.of_runs(_with_runs(splits), "run__").order_by("-run")[:MOST]
    names = _names(row.run for row in rows)
    return [
        Offer(
            str(RunDir(row.run.directory).positions),
            f"{names[row.run_id]}: {row.kept:,} of {counted(row.positions, 'position')}",
            "Finished filter runs",
            _misfit(tokenizer, _tokenizer_of_positions(row.run)),
        )
        for row in rows
    ]


def position_lists(team: Team, sought: SoughtOffers = ANY) -> list[Offer]:
    """The lists that RPT runs have written of what they solve (1 query)."""
    runs = Run.objects.filter(experiment__in=_experiments(team), stage="rpt", status=Status.SUCCEEDED)
    rows, found = sought.of_runs(_named_runs(runs)).order_by("-id")[:MOST], []
    names = _names(rows)
    for run in rows:
        for name in LISTS:
            path = RunDir(run.directory).position_list(name)
            with suppress(OSError):
                count = _lines(path, path.stat().st_mtime_ns)
                found.append(
                    Offer(str(path), f"{names[run.pk]}: {name}, {counted(count, 'position')}", "Lists of runs")
                )
    return found


def corpora(team: Team, sought: SoughtOffers = ANY) -> list[Offer]:
    """Checked versions (1 query). A place with a comma cannot stand in a list that commas part."""
    rows: Any = sought.among(_versions(team), "corpus__name", "corpus__source")
    rows = (row for row in rows if row.place == sought.value) if sought.value else rows[:MOST]
    return [
        Offer(row.place, f"{_version(row)} ({counted(row.documents or 0, 'document')})", "Corpora of the team")
        for row in rows
        if "," not in row.place
    ]


def version_at(team: Team, place: str) -> CorpusVersion | None:
    """The checked version whose place it is."""
    return next((row for row in _versions(team) if row.place == place), None)


def templates(team: Team, sought: SoughtOffers = ANY) -> list[Offer]:
    """Prompt templates: built-in ones, and the versions of the team's own (1 query)."""
    return _built_in(template_names(), sought) + _wordings(team, WordingKind.TEMPLATE, sought)


def pattern_lists(team: Team, sought: SoughtOffers = ANY) -> list[Offer]:
    """The same of pattern lists."""
    return _built_in(keyword_list_names(), sought) + _wordings(team, WordingKind.PATTERNS, sought)


def trained_runs(team: Team, sought: SoughtOffers = ANY) -> list[Offer]:
    """Folders of finished runs that have counted FLOPs (1 query)."""
    runs = Run.objects.filter(experiment__in=_experiments(team), status=Status.SUCCEEDED, flops__gt=0)
    rows = sought.of_runs(_named_runs(runs)).order_by("-id")[:MOST]
    names = _names(rows)
    return [Offer(str(run.directory), f"{names[run.pk]}: {run.flops:.3g} FLOPs", "Finished runs") for run in rows]


def tokenizer_of_model(team: Team, path: str) -> str:
    """The hash of a model's tokenizer: as its card has it, or else its checkpoint's metadata; empty if neither does."""
    if not path:
        return ""
    model = RegisteredModel.objects.filter(_of(team, "model"), path=path).first()
    if model is not None and model.facts.get("tokenizer_hash"):
        return str(model.facts["tokenizer_hash"])
    with suppress(OSError, ValueError, AttributeError):
        return str(json.loads((Path(path) / METADATA).read_bytes()).get("tokenizer_hash", ""))
    return ""


def _of(team: Team, kind: str) -> Q:
    """The team's own, and what is shared with it."""
    return Q(team=team) | Q(pk__in=sharing.received([team], kind))


def _named_runs(runs: QuerySet[Run]) -> QuerySet[Run]:
    """Runs with what an offer says of them, and no more."""
    return runs.select_related("experiment").only("name", "flops", "experiment__name")


def _with_runs(rows: QuerySet[Row]) -> QuerySet[Row]:
    """The same of what runs have made."""
    own = [found.name for found in rows.model._meta.concrete_fields]
    return rows.select_related("run__experiment").only(*own, "run__name", "run__experiment__name")


def _experiments(team: Team) -> QuerySet[Experiment, Any]:
    return Experiment.objects.filter(_of(team, "experiment")).values("pk")


def _versions(team: Team) -> QuerySet[CorpusVersion]:
    theirs = Q(corpus__team=team) | Q(corpus__in=sharing.received([team], "corpus"))
    found = CorpusVersion.objects.filter(theirs).exclude(checked_at=None).select_related("corpus")
    return found.order_by("-corpus", "-number")


def _built_in(names: Iterable[str], sought: SoughtOffers) -> list[Offer]:
    return [Offer(name, name, "Built in") for name in names if all(word.lower() in name for word in sought.words)]


def _wordings(team: Team, kind: str, sought: SoughtOffers) -> list[Offer]:
    own = sought.among(Wording.objects.filter(_of(team, "wording"), kind=kind), "name")
    rows: Any = (
        WordingVersion.objects.filter(wording__in=own)
        .select_related("wording")
        .defer("text")
        .order_by("wording__name", "-number")
    )
    rows = (row for row in rows if str(row.path) == sought.value) if sought.value else rows[:MOST]
    return [Offer(str(row.path), f"{row.wording.name}, version {row.number}", "Of the team") for row in rows]


def _named(model: RegisteredModel) -> str:
    size = model.facts.get("parameters")
    about = [str(model.facts.get("architecture") or ""), f"{size / 1e6:,.4g} M parameters" if size else ""]
    known = ", ".join(filter(None, about))
    return f"{model.name} ({known})" if known else model.name


def _fault(model: RegisteredModel) -> str:
    return "its check found that no run can use it" if model.is_fit is False else ""


def _names(runs: Iterable[Run]) -> dict[int, str]:
    """What the runs of a list are called, by their numbers, which tell apart those that are called the same."""
    names = {run.pk: _run(run) for run in runs}
    return {run: f"{names[run]}{mark}" for run, mark in marks(names).items()}


def _run(run: Run) -> str:
    return f"{run.name} of “{run.experiment.name}”"


def _version(version: CorpusVersion) -> str:
    return f"{version.corpus.name}, version {version.number}"


def _misfit(sought: str, found: str) -> str:
    return ANOTHER_TOKENIZER if sought and found and sought != found else ""


def _tokenizer_of_positions(run: Run) -> str:
    """Read from the file's end, and remembered: a finished run's positions do not change."""
    folder = RunDir(run.directory).positions
    with suppress(OSError):
        return _hash_in(str(folder), positions_file(folder, "train").stat().st_mtime_ns)
    return ""


@lru_cache(maxsize=2000)
def _hash_in(folder: str, changed: int) -> str:
    return tokenizer_of(folder)


@lru_cache(maxsize=2000)
def _lines(path: Path, changed: int) -> int:
    """Lines of a file; raises OSError for one that is not there, or too large to look at."""
    if path.stat().st_size > LARGEST_LIST:
        raise OSError("too large")
    return path.read_bytes().count(b"\n")
