"""The wording of notices: texts cut to length, and full addresses of pages for e-mail and webhooks."""

from __future__ import annotations

from django.conf import settings
from django.urls import reverse

from rpt_web.notices.models import LONGEST_TEXT
from rpt_web.text import clean_text


def shortened(text: str, longest: int = LONGEST_TEXT) -> str:
    """One line that fits."""
    words = " ".join(clean_text(text).split())
    return words if len(words) <= longest else f"{words[: longest - 1]}…"


def path_of(
    run_id: int | None, experiment_id: int | None, comment_id: int | None = None, queue_id: int | None = None
) -> str:
    """The path of the page of a run, else of an experiment, a comment, a queue; of the inbox for none of them."""
    if run_id is not None:
        return reverse("runs:run_detail", args=[run_id])
    if experiment_id is not None:
        return reverse("experiments:experiment_detail", args=[experiment_id])
    if comment_id is not None:
        return reverse("comments:comment", args=[comment_id])
    return reverse("home:inbox") if queue_id is None else reverse("review:queue_detail", args=[queue_id])


def public_address(path: str) -> str:
    """A path as somebody outside of the platform types it: only the process that sends must know RPT_PUBLIC_URL."""
    return f"{settings.RPT_PUBLIC_URL}{path}"


def mail_body(text: str, path: str) -> str:
    """An e-mail: the sentence, where it leads, and how to get fewer of them."""
    account = public_address(reverse("teams:account"))
    return f"{text}\n\n{public_address(path)}\n\nThe page of your account has what you get by e-mail: {account}\n"
