"""App configuration."""

from django.apps import AppConfig


class ReviewConfig(AppConfig):
    """The app of label sets, queues and reviews."""

    name = "rpt_web.review"
    label = "review"
