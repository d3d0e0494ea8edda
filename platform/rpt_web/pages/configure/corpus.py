"""A run of a preset that reads a corpus of ours in place of the preset's own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from django.http import HttpRequest, QueryDict

from rpt_core.config import STAGES
from rpt_core.plans.preset import PlannedRun
from rpt_web import access
from rpt_web.corpora import offers
from rpt_web.corpora.models import CorpusVersion
from rpt_web.corpora.services import corpus_setting
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.configure.choice import is_reference
from rpt_web.pages.configure.fields import as_yaml, leaves, written
from rpt_web.pages.configure.offered import chosen_value
from rpt_web.teams.models import Team

OF_THE_BUILT_IN = ("tiny_part", "tiny_documents", "tiny_seed")
"""Settings that mean nothing beside files."""
OF_SOLUTIONS, WHOLE = ("loss_on", "positions_from"), "document"
"""Settings that ask for the solution of a document, and what they are where it has none."""

MODELS = ("model", "proxy")
"""Parts of a config that name a model, which people choose themselves for a text of their own."""


def corpus_asked(request: HttpRequest) -> CorpusVersion | None:
    """The checked version that the address names by `corpus`. Raises Http404 when there is none."""
    version_id = number_asked(request, "corpus")
    version = None if version_id is None else access.get_version_by_id_or_404(request.user, version_id)
    return version if version is not None and version.is_checked else None


def reads_corpus(planned: PlannedRun) -> bool:
    """Whether its stage reads a corpus."""
    return "corpus" in planned.config


def for_own_text(planned: PlannedRun) -> PlannedRun:
    """The run less the settings that mean nothing beside files; as it is when its stage reads no corpus."""
    if not reads_corpus(planned):
        return planned
    kept = {name: value for name, value in planned.config["corpus"].items() if name not in OF_THE_BUILT_IN}
    return planned.model_copy(update={"config": planned.config | {"corpus": kept}})


def without_models(planned: PlannedRun) -> PlannedRun:
    """What a run for a text of one's own needs beforehand: no model of the preset's, since it takes any model."""
    if not reads_corpus(planned):
        return planned
    kept = {name: part for name, part in planned.config.items() if name not in MODELS}
    return planned.model_copy(update={"config": kept})


def corpus_values(planned: PlannedRun, version: CorpusVersion, team: Team) -> dict[str, str]:
    """What the form begins with for this version, by dotted name, as it is typed: the corpus with the usual share held
    out, and for a model that another run of the preset would make the newest that the team has registered."""
    if not reads_corpus(planned):
        return {}
    setting = corpus_setting(version)
    found = {
        "corpus.source": setting["source"],
        "corpus.paths": ", ".join(setting["paths"]),
        "corpus.mapping": as_yaml(setting["mapping"]),
        "corpus.validation_share": _usual_share(planned),
    }
    if version.mapping.get("solution") is None:
        found |= {name: WHOLE for name in OF_SOLUTIONS if planned.config.get(name) == "solution"}
    usable = (offer.value for offer in offers.registered_models(team) if not offer.misfit)
    if (newest := next(usable, None)) is not None:
        found |= {f"{name}.path": newest for name in MODELS if _is_made(planned.config.get(name))}
    return found


def _usual_share(planned: PlannedRun) -> str:
    """The share that is held out where nobody says: the pages of a corpus count with it."""
    found = leaves(STAGES[planned.stage], planned.rehearse(0).model_dump(mode="json"))
    return written(next(leaf.default for leaf in found if leaf.name == "corpus.validation_share"))


def _is_made(part: Any) -> bool:
    return isinstance(part, Mapping) and is_reference(part.get("path"))


def typed_corpus(data: QueryDict, version_at: Callable[[str], CorpusVersion | None]) -> QueryDict:
    """What was typed, with the mapping of each corpus that was chosen by its place; the rest as it is."""
    typed = data.copy()
    for part in ("corpus", "replay"):
        version = version_at(chosen_value(data, f"{part}.paths") or "")
        if version is not None:
            typed[f"{part}.source"] = "files"
            typed[f"{part}.mapping"] = as_yaml(corpus_setting(version)["mapping"])
            if version.mapping.get("solution") is None:
                typed.update({name: WHOLE for name in OF_SOLUTIONS if typed.get(name) == "solution"})
    return typed
