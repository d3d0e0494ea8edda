"""What a comment can be about.

In: an experiment, a run, a response, a position, a report. Out: a subject, with the fields of its comments, its words,
and the people who may see it and so may be told.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db.models import Q, QuerySet

from rpt_web.comments.models import Comment
from rpt_web.runs.models import Experiment, Run
from rpt_web.teams.models import User
from rpt_web.traces.models import CorpusPosition, rollout_place


@dataclass(frozen=True)
class Subject:
    """An experiment, a run of it, a response of that run; a position, for one team; or a report of a team."""

    experiment: Experiment | None = None
    run: Run | None = None
    rollout: int | None = None
    position: CorpusPosition | None = None
    of_team: int | None = None
    """Whose comments on a position are meant, and whose report it is."""
    report: int | None = None
    """The number of a report, whose page is its team's alone."""

    @property
    def team_id(self) -> int:
        """The team that its comments belong to."""
        found = self.of_team if self.experiment is None else self.experiment.team_id
        assert found is not None
        return found

    @property
    def fields(self) -> dict[str, Any]:
        """What all its comments have, and no others."""
        return {
            "team_id": self.team_id,
            "experiment_id": self.experiment.pk if self.experiment else None,
            "run_id": self.run.pk if self.run else None,
            "rollout": self.rollout,
            "position_id": self.position.pk if self.position else None,
            "report_id": self.report,
        }

    @property
    def words(self) -> str:
        """What it is called within a sentence."""
        if self.experiment is None:
            return "a position" if self.report is None else "a report"
        if self.run is None:
            return f"the experiment “{self.experiment.name}”"
        if self.rollout is None:
            return f"the run “{self.run.name}”"
        return f"a response of step {rollout_place(self.rollout)[0]} of the run “{self.run.name}”"


def subject_of(comment: Comment) -> Subject:
    """What a comment is about; its experiment and run are loaded if they were not."""
    if comment.report_id is not None:
        return Subject(report=comment.report_id, of_team=comment.team_id)
    if comment.experiment is None:
        return Subject(position=comment.position, of_team=comment.team_id)
    return Subject(comment.experiment, comment.run, comment.rollout)


def audience(subject: Subject) -> QuerySet[User]:
    """Everybody who reads its comments: its team, and those whom the experiment is shared with."""
    seers = Q(memberships__team=subject.team_id) | Q(is_superuser=True)
    if subject.experiment is not None:
        seers |= Q(memberships__team__received__experiment=subject.experiment.pk)
    return User.objects.filter(seers, is_active=True).distinct()
