"""What people say of an experiment: its name and question, tags, its state, and what it has shown."""

from __future__ import annotations

from collections.abc import Sequence

from django.db import transaction

from rpt_core.errors import UserError
from rpt_web.runs import checks
from rpt_web.runs.models import Experiment
from rpt_web.text import clean_text

MOST_TAGS, LONGEST_TAG, LONGEST_FINDINGS = 12, 40, 50_000
CHANGED = (
    "Somebody else has changed this meanwhile. What is stored now stands below your text; take from it what you need, "
    "and save again."
)


class DescribedMeanwhile(UserError):
    """It was changed since the writer began; `stored` is what is there now."""

    def __init__(self, stored: Experiment) -> None:
        super().__init__(CHANGED)
        self.stored = stored


def tags_in(text: str) -> list[str]:
    """Tags between commas, each once, in small letters. Raises UserError for too many and for long ones."""
    tags = list(dict.fromkeys(" ".join(clean_text(tag).lower().split()) for tag in text.split(",")))
    tags = [tag for tag in tags if tag]
    if long := next((tag for tag in tags if len(tag) > LONGEST_TAG), None):
        raise UserError(f"The tag {long[:LONGEST_TAG]!r}… is longer than {LONGEST_TAG} characters. Shorten it.")
    if len(tags) > MOST_TAGS:
        raise UserError(f"These are {len(tags)} tags. Give {MOST_TAGS} at most, between commas.")
    return tags


def describe(
    experiment: Experiment, *, name: str, description: str, outlook: str, tags: Sequence[str], findings: str, seen: str
) -> None:
    """Store all of it. `seen`: the findings that the writer began with. Raises DescribedMeanwhile, and UserError."""
    name, description = checks.checked_name(name, "experiment", 200), checks.checked_description(description)
    findings = clean_text(findings).replace("\r\n", "\n").rstrip()
    if len(findings) > LONGEST_FINDINGS:
        raise UserError(f"The findings are {len(findings):,} characters long. Keep them below {LONGEST_FINDINGS:,}.")
    with transaction.atomic():
        stored = Experiment.objects.select_for_update().get(pk=experiment.pk)
        if stored.findings != seen and stored.findings != findings:
            raise DescribedMeanwhile(stored)
        stored.name, stored.description, stored.outlook = name, description, outlook
        stored.tags, stored.findings = list(tags), findings
        stored.save(update_fields=["name", "description", "outlook", "tags", "findings"])
