"""A run of a preset that reads a corpus of ours in place of the preset's own."""

from __future__ import annotations

from collections.abc import Callable

from django.http import HttpRequest, QueryDict

from rpt_core.plans.preset import PlannedRun
from rpt_web import access
from rpt_web.corpora.models import CorpusVersion
from rpt_web.corpora.services import corpus_setting
from rpt_web.pages.addresses import number_asked
from rpt_web.pages.configure.fields import as_yaml
from rpt_web.pages.configure.offered import chosen_value

OF_THE_BUILT_IN = ("tiny_part", "tiny_documents", "tiny_seed")
"""Settings that mean nothing beside files."""
OF_SOLUTIONS, WHOLE = ("loss_on", "positions_from"), "document"
"""Settings that ask for the solution of a document, and what they are where it has none."""


def corpus_asked(request: HttpRequest) -> CorpusVersion | None:
    """The checked version that the address names by `corpus`. Raises Http404 when there is none."""
    version_id = number_asked(request, "corpus")
    version = None if version_id is None else access.get_version_by_id_or_404(request.user, version_id)
    return version if version is not None and version.is_checked else None


def with_corpus(planned: PlannedRun, version: CorpusVersion) -> PlannedRun:
    """The run with this version in its config; as it is when its stage reads no corpus."""
    if "corpus" not in planned.config:
        return planned
    setting = corpus_setting(version)
    kept = {name: value for name, value in planned.config["corpus"].items() if name not in OF_THE_BUILT_IN}
    has_solutions = version.mapping.get("solution") is not None
    more = {} if has_solutions else {name: WHOLE for name in OF_SOLUTIONS if planned.config.get(name) == "solution"}
    return planned.model_copy(update={"config": planned.config | {"corpus": kept | setting, **more}})


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
