"""What a comment can be about.

In: an experiment, a run, a response. Out: a subject, with the fields that its comments have, its words, and the people
who may see it and so may be told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from rpt_web.comments.models import Comment
from rpt_web.runs.models import Experiment, Run
from rpt_web.teams.models import User
from rpt_web.traces.models import rollout_place


@dataclass(frozen=True)
class Subject:
    """An experiment, a run of it, or a response of that run."""

    experiment: Experiment
    run: Run | None = None
    rollout: int | None = None

    @property
    def team_id(self) -> int:
        """The team that it belongs to."""
        return self.experiment.team_id

    @property
    def fields(self) -> dict[str, Any]:
        """What all its comments have, and no others."""
        return {
            "team_id": self.team_id,
            "experiment_id": self.experiment.pk,
            "run_id": self.run.pk if self.run else None,
            "rollout": self.rollout,
        }

    @property
    def words(self) -> str:
        """What it is called within a sentence."""
        if self.run is None:
            return f"the experiment “{self.experiment.name}”"
        if self.rollout is None:
            return f"the run “{self.run.name}”"
        return f"a response of step {rollout_place(self.rollout)[0]} of the run “{self.run.name}”"


def subject_of(comment: Comment) -> Subject:
    """What a comment is about; its experiment and run are loaded if they were not."""
    assert comment.experiment is not None
    return Subject(comment.experiment, comment.run, comment.rollout)


def audience(subject: Subject) -> QuerySet[User]:
    """Everybody who may see the subject: its team, and those whom the experiment is shared with."""
    of_team = Q(memberships__team=subject.team_id)
    of_share = Q(memberships__team__received__experiment=subject.experiment.pk)
    return User.objects.filter(of_team | of_share | Q(is_superuser=True), is_active=True).distinct()
