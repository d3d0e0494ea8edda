"""A text as it would work: a template around a real context and in a model's chat template, a list on a sample text.

In: what was typed, and a document's token that the address names. Out: parts of a prompt, or groups that match. All of
it is hostile text. Regular expressions of a list are left to the run: one may take for ever, and somebody waits here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import yaml
from django.http import QueryDict

from rpt_core.errors import UserError
from rpt_core.problems.prompts import parse_template
from rpt_core.typed_yaml import read_typed
from rpt_web import access
from rpt_web.access import Actor
from rpt_web.corpora import token_maps
from rpt_web.corpora.models import RegisteredModel, ScoredSplit

CONTEXT_SHOWN = 1500
"""Characters of the context that are shown, its end."""
USUAL_TOKEN = 40
RUNS_TRIED = 5
"""Newest filter runs whose documents are looked for, where no position was chosen."""
LONGEST_SAMPLE = 10_000
"""Characters of a text that a list is tried on; somebody waits."""
SAMPLE = "Wait, something like this is probably right. Alternatively, break down the sum; finally, conclude."


@dataclass(frozen=True)
class PromptParts:
    """A prompt in its parts; joined they are the whole of it, but for what is cut from the context."""

    chat_before: str
    before: str
    context: str
    after: str
    chat_after: str
    is_cut: bool


def context_at(user: Actor, query: QueryDict) -> tuple[str, str]:
    """The text before a position, and what it is called: that which the query names, or one of the newest filter run's.

    Without any scored document, a sentence.
    """
    scored = ScoredSplit.objects.values("run")
    runs = access.runs_for(user).filter(stage="filter", pk__in=scored).order_by("-id")
    asked = query.get("run", "")
    wanted = runs.filter(pk=int(asked)).first() if asked.isdecimal() and len(asked) < 19 else None
    row, token = (_number(query.get(name, ""), usual) for name, usual in (("row", 0), ("token", USUAL_TOKEN)))
    for run in (wanted,) if wanted else runs[:RUNS_TRIED]:
        try:
            found = token_maps.document_map(run, query.get("split") or "train", row)
        except (OSError, ValueError, IndexError):
            continue
        at = min(token, found.tokens)
        text = found.text[: found.byte_offsets[at]].decode(errors="replace")
        return text, f"{run.name}, document {found.id}, token {at}"
    return "The sum of 2 and 3 is", "a sentence: no filter run has stored documents yet"


def prompt_parts(text: str, context: str, model: RegisteredModel | None) -> PromptParts | None:
    """The prompt of a context; None for a text that is no template."""
    try:
        template = parse_template("preview", text)
    except UserError:
        return None
    facts = model.facts if model is not None and template.chat else {}
    return PromptParts(
        str(facts.get("chat_before", "")),
        template.before,
        context[-CONTEXT_SHOWN:],
        template.after,
        str(facts.get("chat_after", "")),
        len(context) > CONTEXT_SHOWN,
    )


def matching_groups(text: str, sample: str) -> list[tuple[str, list[str], int]]:
    """(group, its phrases in the sample, how many regular expressions it has besides); empty for what is no list."""
    try:
        data = read_typed(text)
    except (yaml.YAMLError, RecursionError):
        return []
    groups = data.get("groups") if isinstance(data, dict) else None
    if not isinstance(groups, dict):
        return []
    words = " ".join(sample.lower().split())
    found = []
    for name, entries in groups.items():
        phrases = [entry for entry in entries if isinstance(entry, str)] if isinstance(entries, list) else []
        inside = [phrase for phrase in phrases if _stands_in(phrase, words)]
        regexes = sum(isinstance(entry, dict) for entry in entries) if isinstance(entries, list) else 0
        found.append((str(name), inside, regexes))
    return found


def _stands_in(phrase: str, words: str) -> bool:
    wanted = re.escape(" ".join(phrase.lower().split()))
    return bool(wanted) and re.search(rf"(?<!\w){wanted}(?!\w)", words) is not None


def _number(text: str, usual: int) -> int:
    return int(text) if text.isdecimal() and len(text) < 10 else usual
