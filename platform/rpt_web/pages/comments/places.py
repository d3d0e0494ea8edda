"""Where a comment stands, and where comments on something are written."""

from __future__ import annotations

from django.urls import reverse

from rpt_web.comments.models import Comment
from rpt_web.comments.subjects import Subject, subject_of
from rpt_web.pages.position_addresses import place_of as position_place


def page_of(subject: Subject) -> str:
    """The page of what comments are about."""
    if subject.position is not None:
        return position_place(subject.position)
    if subject.report is not None:
        return reverse("reports:report_detail", args=[subject.report])
    if subject.run is None:
        assert subject.experiment is not None
        return reverse("experiments:experiment_detail", args=[subject.experiment.pk])
    if subject.rollout is None:
        return reverse("runs:run_detail", args=[subject.run.pk])
    return reverse("traces:rollout_detail", args=[subject.run.pk, subject.rollout])


def place_of(comment: Comment) -> str:
    """The comment itself, on that page."""
    return f"{page_of(subject_of(comment))}#comment-{comment.pk}"


def writing_place(subject: Subject) -> str:
    """Where a new comment is posted to."""
    if subject.position is not None:
        return reverse("comments:on_position", args=[subject.position.pk])
    if subject.report is not None:
        return reverse("comments:on_report", args=[subject.report])
    if subject.run is None:
        assert subject.experiment is not None
        return reverse("comments:on_experiment", args=[subject.experiment.pk])
    if subject.rollout is None:
        return reverse("comments:on_run", args=[subject.run.pk])
    return reverse("comments:on_response", args=[subject.run.pk, subject.rollout])
