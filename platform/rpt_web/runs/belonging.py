"""Whose the folders are that the platform keeps: those of runs, of uploaded corpora and of saved wordings.

In: a path without links, and the teams in whose name it is to be read. Out: whether it is theirs, or shared with them.
What an administrator has put below a root is everybody's, and is no business of this module.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

from django.conf import settings
from django.db.models import Q

from rpt_web.teams.models import Share, Team

_OF_TEAM = {"runs": "experiments__runs", "corpora": "corpora", "wordings": "wordings"}
_SHARED = {"runs": "received__experiment__runs", "corpora": "received__corpus", "wordings": "received__wording"}


def is_theirs(path: Path, teams: Collection[int]) -> bool:
    """Whether these teams may read it; True for what lies in no folder of the platform's own (2 queries at most)."""
    data = Path(os.path.realpath(settings.RPT_DATA_DIR))
    kind, *rest = path.relative_to(data).parts if path.is_relative_to(data) and path != data else ("",)
    if kind not in _OF_TEAM:
        return True
    if not rest:
        return False  # all of them at once
    name = rest[0].removesuffix(".deleted")  # a folder that is about to be removed is still nobody else's
    if not name.isdecimal() or len(name) > 18:  # an administrator's own
        return True
    key = int(name)
    if Team.objects.filter(Q(**{_OF_TEAM[kind]: key}) | Q(**{_SHARED[kind]: key}), pk__in=teams).exists():
        return True
    return kind == "runs" and _is_of_shared_model(path, key, teams)


def _is_of_shared_model(path: Path, run_id: int, teams: Collection[int]) -> bool:
    """Whether it is a checkpoint that is shared as a model, of a run that is not."""
    shares = Share.objects.filter(shared_with__in=teams, model__run=run_id)
    return any(path.is_relative_to(os.path.realpath(found)) for found in shares.values_list("model__path", flat=True))
