"""People who are named in a comment with an @.

In: a text, the people who may see it. Out: those of them who are named, and the names that are of nobody among them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from django.db.models import QuerySet

from rpt_web.teams.models import User

MOST_NAMED = 50
"""Names beyond these are left alone."""
AFTER_A_NAME = ".-+@_"
"""A name may hold these, and a sentence may have them behind a name."""
PATTERN = re.compile(r"(?<![\w.@+/-])@([\w.@+-]+)")


def names_in(text: str) -> list[str]:
    """What stands after an @, each once, as far as a name of a user can go."""
    return list(dict.fromkeys(found[1] for found in PATTERN.finditer(text)))[:MOST_NAMED]


def people_named(text: str, seers: QuerySet[User]) -> tuple[list[User], list[str]]:
    """Those of the people whom the text names, and the names that are of none of them (1 query)."""
    names = names_in(text)
    if not names:
        return [], []
    wanted = {spelling for name in names for spelling in spellings(name)}
    known = {user.username: user for user in seers.filter(username__in=wanted)}
    found: dict[int, User] = {}
    unknown = []
    for name in names:
        meant = next((known[spelling] for spelling in spellings(name) if spelling in known), None)
        if meant is None:
            unknown.append(name.rstrip(AFTER_A_NAME) or name)
        else:
            found[meant.pk] = meant
    return list(found.values()), unknown


def spellings(name: str) -> Sequence[str]:
    """The name, and the name without what may be the end of a sentence."""
    bare = name.rstrip(AFTER_A_NAME)
    return [name, bare] if bare and bare != name else [name]
