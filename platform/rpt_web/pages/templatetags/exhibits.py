"""What tables are called as exhibits, where only a template knows which they are."""

from __future__ import annotations

from django.template import Library

from rpt_web.review.models import ReviewQueue

register = Library()


@register.simple_tag
def ref_of_agreement(queue: ReviewQueue, question: str, table: str) -> str:
    """Of a table of how far reviewers agree about a question."""
    return f"queue/{queue.pk}/agreement/{question}/{table}"
