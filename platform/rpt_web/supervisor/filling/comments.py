"""What people of a filled platform wrote: a comment on each response of a run's first ones, and notes on the run.

In: a run, responses, people. Out: objects that are not stored yet.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from rpt_web.comments.models import Comment
from rpt_web.runs.models import Run
from rpt_web.supervisor.filling.library import Makers
from rpt_web.traces.models import Rollout

NOTES = 40
"""On the run itself."""
SETTLED_EVERY = 4
WORDS = ("Why does it stop here?", "The sum is right and the reason is not.", "Copied from the text before.")


def comments_of(run: Run, rollouts: Sequence[Rollout], makers: Makers) -> Iterator[Comment]:
    """Every fourth thread is resolved; a third of them are on a passage."""
    subjects = [*(row.id for row in rollouts), *[None] * NOTES]
    start = makers.now - timedelta(days=20)
    for place, rollout in enumerate(subjects):
        at = start + timedelta(minutes=place)
        author = makers.people[place % len(makers.people)]
        is_settled, has_passage = place % SETTLED_EVERY == 0, rollout is not None and place % 3 == 0
        yield Comment(
            team=makers.team,
            experiment_id=run.experiment_id,
            run=run,
            rollout=rollout,
            author=author,
            body=WORDS[place % len(WORDS)],
            start=0 if has_passage else None,
            end=5 if has_passage else None,
            quote="maybe" if has_passage else "",
            created_at=at,
            resolved_at=at if is_settled else None,
            resolved_by=author if is_settled else None,
        )
