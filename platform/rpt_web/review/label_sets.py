"""Label sets: made, saved in versions that never change, and the one that is built in.

In: a name and YAML. Out: rows, or a UserError in words.
"""

from __future__ import annotations

from django.db import transaction

from rpt_core.errors import UserError
from rpt_web.characters import has_something_to_see, unfit_for_a_name
from rpt_web.review.models import LONGEST_NAME, LabelSet, LabelSetVersion
from rpt_web.review.questions import as_stored, read_questions
from rpt_web.teams.models import Team, User

LONGEST_TEXT = 50_000
BUILT_IN = "Thoughts (RPT)"
"""Name of the set that every team may use without writing one."""
BUILT_IN_TEXT = """\
questions:
- name: thought
  title: What is this chain of thought?
  hint: Choose what describes it best.
  kind: one
  labels:
  - {value: sound, title: Sound, colour: green}
  - {value: lucky_guess, title: Lucky guess, colour: amber}
  - {value: copied, title: Copied from context, colour: blue}
  - {value: broken_arithmetic, title: Broken arithmetic, colour: red}
  - {value: loops, title: Loops, colour: violet}
  - {value: gives_up, title: Gives up, colour: grey}
  - {value: wrong_format, title: Wrong format, colour: grey}
  - {value: hack, title: Hack, colour: red}
  - {value: wrong_guess, title: Wrong guess, colour: amber}
- name: sure
  title: How sure are you?
  kind: scale
  lowest: 1
  highest: 3
  required: false
"""
EARLIER_TEXTS = (BUILT_IN_TEXT.replace("  - {value: wrong_guess, title: Wrong guess, colour: amber}\n", ""),)
"""What the set was before. Labels are only added, at the end, so that earlier ones keep their values and keys."""


def create(team: Team, name: str, text: str, user: User) -> LabelSetVersion:
    """The first version under a new name. Raises UserError for a name that is none or taken, and as `save`."""
    name = fit_name(name)
    with transaction.atomic():
        label_set, is_new = LabelSet.objects.get_or_create(team=team, name=name, defaults={"created_by": user})
        if not is_new:
            raise UserError(
                f"The team has a label set “{name}” already. Open it and save a version, or take a new name."
            )
        return save(label_set, text, user)


def save(label_set: LabelSet, text: str, user: User) -> LabelSetVersion:
    """The next version; queues that ask an older one keep it. Raises UserError for a text that is no label set."""
    text = text.replace("\r\n", "\n")  # as browsers send it
    if len(text) > LONGEST_TEXT:
        raise UserError(f"Give at most {LONGEST_TEXT:,} characters.")
    questions = as_stored(read_questions(text))
    with transaction.atomic():
        LabelSet.objects.select_for_update(no_key=True).get(pk=label_set.pk)
        newest = label_set.versions.first()
        if newest is not None and newest.text == text:
            raise UserError(f"This is version {newest.number} already. Change the text first.")
        number = 1 if newest is None else newest.number + 1
        return LabelSetVersion.objects.create(
            label_set=label_set, number=number, text=text, questions=questions, created_by=user
        )


def built_in(team: Team, user: User) -> LabelSetVersion:
    """The newest version of the team's set of the built-in name, which is made where there is none, or only one that
    was built in before. A version of the team's own stays."""
    with transaction.atomic():
        label_set, is_new = LabelSet.objects.get_or_create(team=team, name=BUILT_IN, defaults={"created_by": user})
        newest = None if is_new else label_set.versions.first()
        if newest is None or newest.text in EARLIER_TEXTS:
            return save(label_set, BUILT_IN_TEXT, user)
        return newest


def fit_name(name: str) -> str:
    """The name as it is stored. Raises UserError for one that nobody can read."""
    name = " ".join(name.split())
    if not has_something_to_see(name) or len(name) > LONGEST_NAME:
        raise UserError(f"Give a name of at most {LONGEST_NAME} characters.")
    if (unfit := unfit_for_a_name(name)) is not None:
        raise UserError(f"The name holds {unfit}, which nobody sees. Remove it.")
    return name
