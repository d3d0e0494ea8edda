"""App configuration."""

from django.apps import AppConfig


class CommentsConfig(AppConfig):
    """The comments app."""

    name = "rpt_web.comments"
    label = "comments"
