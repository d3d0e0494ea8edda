"""Prompt templates and pattern lists of a team: looked over, previewed, saved in versions that never change.

In: a text. Out: remarks on it, and a version with a file of its own below the data folder, which runs name by its path:
so a run's config says which version it used.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from django.db import transaction
from django.db.models import Max, Q, QuerySet

from rpt_core.analysis.patterns import parse_keywords
from rpt_core.errors import UserError
from rpt_core.files import write_whole
from rpt_core.problems.prompts import parse_template
from rpt_web.characters import unfit_for_a_text
from rpt_web.corpora.models import Wording, WordingKind, WordingVersion
from rpt_web.runs.models import Run
from rpt_web.teams.models import Team, User

LONGEST_TEXT = 50_000
"""Characters; a prompt is read by a model with each position."""
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


@dataclass(frozen=True)
class Remark:
    """Something about a text: an error keeps it from being saved, a warning does not."""

    level: str
    message: str


def remarks_on(kind: str, name: str, text: str) -> list[Remark]:
    """What is wrong with a text, or may be; empty for one that nothing speaks against."""
    found = [Remark("error", words) for words in _refused(kind, name, text)]
    return found + list(_of_template(text) if kind == WordingKind.TEMPLATE else ())


def create(team: Team, kind: str, name: str, text: str, user: User) -> WordingVersion:
    """The first version under a new name. Raises UserError for a name that is taken, and as `save`."""
    if not _NAME.fullmatch(name):
        raise UserError("Give a name of letters, digits, - and _, at most 64: it becomes the name of a file.")
    with transaction.atomic():
        wording, is_new = Wording.objects.get_or_create(team=team, kind=kind, name=name, defaults={"created_by": user})
        if not is_new:
            raise UserError(f"The team has {name!r} already. Open it and save another version, or take another name.")
        return save(wording, text, user)


def save(wording: Wording, text: str, user: User) -> WordingVersion:
    """The next version. Raises UserError for a text with an error, and for one that is the newest already."""
    text = text.replace("\r\n", "\n")  # as browsers send it
    if errors := [remark.message for remark in remarks_on(wording.kind, wording.name, text) if remark.level == "error"]:
        raise UserError(" ".join(errors))
    with transaction.atomic():
        Wording.objects.select_for_update(no_key=True).get(pk=wording.pk)
        newest = wording.versions.order_by("-number").first()
        if newest is not None and newest.text == text:
            raise UserError(f"This is version {newest.number} already. Change the text first.")
        number = (wording.versions.aggregate(last=Max("number"))["last"] or 0) + 1
        version = WordingVersion.objects.create(wording=wording, number=number, text=text, created_by=user)
        write_whole(version.path, text.encode())
    return version


def runs_that_use(version: WordingVersion, visible: QuerySet[Run]) -> QuerySet[Run]:
    """Runs whose config names the version, newest first."""
    path = str(version.path)
    of_template = Q(config__prompt__template=path) | Q(config__template=path) | Q(config__templates__contains=[path])
    used = of_template if version.wording.kind == WordingKind.TEMPLATE else Q(config__patterns__keywords=path)
    return visible.filter(used).order_by("-id")


def _refused(kind: str, name: str, text: str) -> list[str]:
    if len(text) > LONGEST_TEXT:
        return [f"Give at most {LONGEST_TEXT:,} characters."]
    if (unfit := unfit_for_a_text(text.replace("\t", " "))) is not None:
        return [f"The text holds {unfit}, which nobody sees. Remove it."]
    try:
        if kind == WordingKind.TEMPLATE:
            parse_template(name or "template", text)
        else:
            parse_keywords(name or "list", text)
    except UserError as error:
        return [str(error)]
    return []


def _of_template(text: str) -> list[Remark]:
    found = []
    if "\\boxed" not in text:
        found.append(Remark("warning", "It asks for no `\\boxed{}`, where the prediction must stand."))
    if "<think>" not in text and "</think>" not in text:
        found.append(
            Remark(
                "warning",
                "It neither opens a thought with `<think>` nor asks for `</think>`: it suits models whose chat "
                "template opens the thought. A response without `</think>` counts as having no box.",
            )
        )
    if text.rstrip("\n").endswith(" "):
        found.append(Remark("warning", "It ends in a blank, which most models do not expect before they write."))
    return found
